//! A box on which all is well, with what is outside of it, until a test changes something.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use frontdesk_gemini_sim::{GeminiSim, Settings as GeminiSettings};
use frontdesk_tests::daemon::{Daemon, Plan, home, program};
use frontdesk_twilio_sim::{Settings as TwilioSettings, TwilioSim};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(super) const KEY: &str = "AIza-for-rehearsals-0123456789";

/// A web server that answers Twilio's question about the number, and that of the public address.
pub(super) struct Outside {
    base: String,
    pub(super) number: Arc<Mutex<Value>>,
    /// What `/healthz` answers.
    pub(super) health: Arc<Mutex<(u16, &'static str)>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Outside {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let number = Arc::new(Mutex::new(json!({
            "sid": "PN00000000000000000000000000000001", "voice_url": format!("{base}/twilio/voice"), "voice_method": "POST",
            "status_callback": format!("{base}/twilio/status"), "status_callback_method": "POST",
            "voice_application_sid": "", "trunk_sid": null,
        })));
        let health = Arc::new(Mutex::new((200, "ok")));
        let (known, healthy) = (Arc::clone(&number), Arc::clone(&health));
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = vec![0; 8_192];
                let Ok(length) = stream.read(&mut asked).await else { continue };
                let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
                let (status, body) = if asked.contains("IncomingPhoneNumbers") {
                    (200, json!({ "incoming_phone_numbers": [*known.lock().unwrap()] }).to_string())
                } else {
                    let (status, body) = *healthy.lock().unwrap();
                    (status, body.to_owned())
                };
                let now = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nDate: {now}\r\nConnection: close\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\n\r\n",
                    body.len()
                );
                let body = if asked.starts_with("HEAD") { "" } else { &body };
                let _ = stream.write_all(format!("{answer}{body}").as_bytes()).await;
            }
        });
        Self { base, number, health, serving }
    }
}

/// A box on which all is well, until a test changes that.
pub(super) struct Machine {
    pub(super) home: tempfile::TempDir,
    pub(super) plan: Plan,
    pub(super) outside: Outside,
    _gemini: GeminiSim,
    _twilio: TwilioSim,
    pub(super) daemon: Option<Daemon>,
}

impl Machine {
    pub(super) async fn healthy() -> Self {
        let gemini =
            GeminiSim::start(GeminiSettings { api_key: Some(KEY.into()), ..GeminiSettings::default() }).await.unwrap();
        let twilio = TwilioSim::start(TwilioSettings::default()).await.unwrap();
        let outside = Outside::open().await;
        let home = home().unwrap();
        let (phone, admin) = (free_port(), free_port());
        let plan = Plan {
            lines: vec![
                ("phone", format!("listen = \"127.0.0.1:{phone}\"")),
                ("phone", format!("public_url = {:?}", outside.base)),
                ("admin", format!("listen = \"127.0.0.1:{admin}\"")),
            ],
            environment: Vec::new(),
            gemini: gemini.wss_base(),
            gemini_ca: Some(gemini.ca_path().to_owned()),
            gemini_key: KEY.into(),
            twilio_api: outside.base.clone(),
            account_sid: twilio.settings().account_sid.clone(),
            auth_token: twilio.settings().auth_token.clone(),
            home: home.path().to_owned(),
        };
        plan.write().unwrap();
        let it = Self { home, plan, outside, _gemini: gemini, _twilio: twilio, daemon: None };
        for (path, text) in [
            ("proc/meminfo", "MemTotal: 1900000 kB\nMemAvailable: 1000000 kB\n"),
            ("proc/vmstat", "oom_kill 0\n"),
            ("sys/class/thermal/thermal_zone0/temp", "48000\n"),
            ("sys/devices/platform/soc/soc:firmware/get_throttled", "0\n"),
            ("sys/block/mmcblk0/device/life_time", "0x01 0x01\n"),
            ("sys/block/mmcblk0/device/pre_eol_info", "0x01\n"),
        ] {
            it.machine(path, text);
        }
        // What this machine's own systemd, apt and journal say is of no account here.
        for program in ["systemctl", "timedatectl", "journalctl", "dpkg-query", "apt-cache", "vcgencmd"] {
            it.program(program, "exit 1");
        }
        it
    }

    /// A file of the machine.
    pub(super) fn machine(&self, path: &str, text: &str) {
        write(&self.home.path().join("machine").join(path), text);
    }

    /// A program of the system's.
    pub(super) fn program(&self, name: &str, script: &str) {
        let path = self.home.path().join("bin").join(name);
        write(&path, &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A line of the configuration.
    pub(super) fn line(&mut self, section: &'static str, line: &str) {
        self.plan.lines.push((section, line.to_owned()));
        self.plan.write().unwrap();
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        tokio::process::Command::new(program("frontdeskctl").unwrap())
            .arg("--socket")
            .arg(self.plan.home.join("control.sock"))
            .args(arguments)
            .env_clear()
            .env("PATH", format!("{}:{path}", self.home.path().join("bin").display()))
            .env("FRONTDESK_CONFIG", self.plan.home.join("config.toml"))
            .env("GEMINI_API_KEY", &self.plan.gemini_key)
            .env("TWILIO_ACCOUNT_SID", &self.plan.account_sid)
            .env("TWILIO_AUTH_TOKEN", &self.plan.auth_token)
            .envs(self.plan.environment.iter().cloned())
            .output()
            .await
            .unwrap()
    }

    pub(super) async fn doctor(&self) -> (Option<i32>, Value) {
        let root = self.home.path().join("machine");
        let out = self.run(&["--json", "doctor", "--deep", "--root", root.to_str().unwrap()]).await;
        let said = serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {out:?}"));
        (out.status.code(), said)
    }
}

pub(super) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A port that nobody has for now.
pub(super) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
