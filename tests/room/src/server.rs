//! The sound card: a PulseAudio of our own, and the ALSA configuration through which a program finds it.

use std::{
    fmt::Write as _,
    fs, io,
    io::{BufRead as _, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use tempfile::TempDir;

use crate::{EAR, RATE, jack::Jack, precedence};

/// A busy machine starts it in well under that.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// The same for one command.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Where Debian and Raspberry Pi OS keep the plugin, by architecture.
const PLUGIN: &str = "alsa-lib/libasound_module_pcm_pulse.so";

/// Why there is no speakerphone.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A program or plugin is not there.
    #[error("{what} is not installed: run `apt-get install {package}`")]
    NotInstalled {
        /// What is missing.
        what: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A file or the process could not be made.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The configuration cannot hold it.
    #[error("{0:?} cannot be a speakerphone's name: use letters, digits, _ and -, and not \"ear\"")]
    Name(String),
    /// PulseAudio ended, or did not do what it was told within the limit.
    #[error("pulseaudio does not {what}; it says: {complaint}")]
    Refused {
        /// What it was told.
        what: &'static str,
        /// The end of its log.
        complaint: String,
    },
}

/// A running sound server with a folder of its own. Killed when dropped; it ends by itself when this process is killed,
/// because its standard input ends then.
#[derive(Debug)]
pub struct SoundServer {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
    folder: TempDir,
    /// Commands so far, each answered under its number.
    asked: u32,
    /// Versions of the ALSA configuration so far.
    versions: u32,
}

impl SoundServer {
    /// Starts one and waits until it serves. Nothing is plugged in yet.
    pub fn start() -> Result<Self, ServerError> {
        if !plugin_is_there() {
            let what = "the ALSA plugin for PulseAudio";
            return Err(ServerError::NotInstalled { what, package: "libasound2-plugins" });
        }
        let folder = tempfile::Builder::new()
            .prefix("frontdesk-room-")
            .tempdir()
            .map_err(failed("make a folder for the sound server"))?;
        let mut child = spawn(folder.path())?;
        let commands = child.stdin.take().expect("it was made with a pipe");
        let answers = lines_of(child.stdout.take().expect("it was made with a pipe"));
        let mut server = Self { child, commands, answers, folder, asked: 0, versions: 0 };
        server.settle("start", STARTS_WITHIN)?;
        server.write_alsa_config(None)?;
        Ok(server)
    }

    /// The value of `ALSA_CONFIG_PATH` with which a program sees this speakerphone and nothing else.
    pub fn alsa_config(&self) -> PathBuf {
        self.folder.path().join("asound.conf")
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Plugs a speakerphone in that ALSA knows as `name`; one that is in is pulled out first.
    pub(crate) fn plug(&mut self, name: &str) -> Result<Jack, ServerError> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        if name.is_empty() || name == EAR || !name.chars().all(plain) {
            return Err(ServerError::Name(name.to_owned()));
        }
        self.unplug()?;
        let (loudspeaker, microphone) = (self.folder.path().join("loudspeaker"), self.folder.path().join("microphone"));
        // Four channels of the same make the 4096 bytes, in which the server fills a pipe, 10.7 ms instead of 43.
        self.tell(&format!(
            "load-module module-pipe-sink sink_name=loudspeaker file={} format=s16le rate={RATE} channels={} \
             channel_map=mono,mono,mono,mono",
            loudspeaker.display(),
            Jack::CHANNELS
        ))?;
        self.tell(&format!(
            "load-module module-pipe-source source_name=microphone file={} format=s16le rate={RATE} channels=1",
            microphone.display()
        ))?;
        self.settle("open its pipes", ANSWERS_WITHIN)?;
        // Each pipe has a thread of its own by now.
        precedence::of_process(self.child.id());
        let jack = Jack::open(&loudspeaker, &microphone).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ServerError::Refused { what: "open its pipes", complaint: self.complaint() },
            _ => ServerError::System { what: "open the sound server's pipes", source },
        })?;
        self.write_alsa_config(Some(name))?;
        Ok(jack)
    }

    /// Pulls it out: what a program has open fails, and ALSA does not know the name any more.
    pub(crate) fn unplug(&mut self) -> Result<(), ServerError> {
        self.write_alsa_config(None)?;
        self.tell("unload-module module-pipe-sink")?;
        self.tell("unload-module module-pipe-source")?;
        self.settle("close its pipes", ANSWERS_WITHIN)
    }

    fn tell(&mut self, command: &str) -> Result<(), ServerError> {
        writeln!(self.commands, "{command}").map_err(|_| self.refused("take commands"))
    }

    /// Waits until every command so far has been carried out. The answer to a command that does not exist repeats it.
    fn settle(&mut self, what: &'static str, limit: Duration) -> Result<(), ServerError> {
        self.asked += 1;
        let mark = format!("settled-{}", self.asked);
        self.tell(&mark)?;
        let deadline = Instant::now() + limit;
        loop {
            match self.answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(&mark) => return Ok(()),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(self.refused(what)),
            }
        }
    }

    fn refused(&self, what: &'static str) -> ServerError {
        ServerError::Refused { what, complaint: self.complaint() }
    }

    /// The last lines of its log.
    fn complaint(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" / ")
    }

    /// Replaces the configuration in one step, and so that alsa-lib sees that it did: it compares device, inode and the
    /// time of change in whole seconds before each opening (`conf.c`, `snd_config_update_r`).
    fn write_alsa_config(&mut self, name: Option<&str>) -> Result<(), ServerError> {
        let file_failed = failed("write the ALSA configuration");
        self.versions += 1;
        let text = name.map(|name| alsa_config(name, &socket(self.folder.path()))).unwrap_or_default();
        let new = self.folder.path().join("asound.conf.new");
        let write = || {
            fs::write(&new, text)?;
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + u64::from(self.versions));
            fs::File::options().write(true).open(&new)?.set_modified(changed)?;
            fs::rename(&new, self.alsa_config())
        };
        write().map_err(file_failed)
    }
}

impl Drop for SoundServer {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Result<Child, ServerError> {
    let start = || {
        fs::write(folder.join("start.pa"), start_script(folder))?;
        Ok((fs::File::create(folder.join("log"))?, ["run", "state", "home"].map(|name| folder.join(name))))
    };
    let (log, [run, state, home]) = start().map_err(failed("write the sound server's files"))?;
    let make = |path: &Path| fs::create_dir(path).map_err(failed("make the sound server's folders"));
    [&run, &state, &home].into_iter().try_for_each(|path| make(path))?;
    Command::new("pulseaudio")
        .args(["-n", "-F"])
        .arg(folder.join("start.pa"))
        .args(["--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--log-target=stderr"])
        // A program's threads compete with it as with any other process; real-time priority would need rights.
        .args(["--realtime=no", "--high-priority=no"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LC_ALL", "C")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", &run)
        .env("PULSE_RUNTIME_PATH", &run)
        .env("PULSE_STATE_PATH", state)
        // Without it, an X11 or session bus of the desktop would be asked, and would offer the real sound card.
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ServerError::NotInstalled { what: "pulseaudio", package: "pulseaudio" },
            _ => ServerError::System { what: "start pulseaudio", source },
        })
}

fn start_script(folder: &Path) -> String {
    // `exit_on_eof` ends it with the process that holds its standard input, however that ends.
    format!(
        "load-module module-native-protocol-unix socket={} auth-anonymous=1 auth-cookie-enabled=no\nload-module module-cli exit_on_eof=1\n",
        socket(folder).display()
    )
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("native")
}

fn alsa_config(name: &str, socket: &Path) -> String {
    let mut text = String::from("# Takes the place of /usr/share/alsa/alsa.conf: ALSA_CONFIG_PATH names this file.\n");
    let device = |device: &str| {
        format!("{{ type pulse server \"unix:{}\" device \"{device}\" handle_underrun 1 }}", socket.display())
    };
    let (loudspeaker, microphone, ear) = (device("loudspeaker"), device("microphone"), device("loudspeaker.monitor"));
    // Writing into a string cannot fail.
    let _ = write!(
        text,
        "pcm.{name} {{\n  type asym\n  playback.pcm {loudspeaker}\n  capture.pcm {microphone}\n  \
         hint {{ show on description \"Virtual speakerphone\" }}\n}}\n\
         ctl.{name} {loudspeaker}\n\
         # What the loudspeaker plays.\npcm.{EAR} {ear}\n"
    );
    text
}

/// Lines of `from`, read by a thread that ends with it.
fn lines_of(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Whether alsa-lib can load it: it looks in its own library's folder, whose name holds the architecture.
fn plugin_is_there() -> bool {
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let below = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    folders.into_iter().chain(below).any(|folder| folder.join(PLUGIN).exists())
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> ServerError {
    move |source| ServerError::System { what, source }
}
