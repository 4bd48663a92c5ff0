//! What is told, and in which order.

mod cut;
mod desk;
mod faults;
mod install;
mod readme;
mod refusals;
mod service;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::api::Api;
use crate::clinic::Clinic;
use crate::report::Report;
use crate::speakerphone::Speakerphone;
use crate::{guest, unit};

/// A speakerphone that is plugged in is in use within that, on the busiest machine.
const PLUGGED: Duration = Duration::from_secs(20);
/// A conversation that is over has left the desk within that.
const PARTED: Duration = Duration::from_mins(1);

/// Everything that stories are about.
pub(crate) struct Scene {
    /// The runner's share.
    pub(crate) share: PathBuf,
    /// The outside world.
    pub(crate) clinic: Clinic,
    /// The daemon's admin listener.
    pub(crate) api: Api,
    /// What stands on the counter.
    pub(crate) phone: Speakerphone,
}

impl Scene {
    /// Starts the outside world; the daemon is none of its parts.
    pub(crate) async fn set(share: &Path) -> anyhow::Result<Self> {
        let phone = Speakerphone::start(&share.join("recordings"))?;
        Ok(Self { share: share.to_owned(), clinic: Clinic::open().await?, api: Api::new()?, phone })
    }

    /// After a story that went wrong: the next one finds a daemon that runs as configured.
    pub(crate) fn tidy(&mut self) {
        let _ = self.phone.order("fault none");
        let _ = self.phone.order("silence");
        let _ = guest::attempt(&["rm", "-rf", "/run/systemd/system/frontdeskd.service.d"]);
        let _ = guest::attempt(&["systemctl", "daemon-reload"]);
        let _ = self.clinic.provision();
        let _ = unit::restart();
    }

    /// All is told.
    pub(crate) fn leave(&mut self) {
        let _ = self.phone.order("unplug");
    }

    /// Waits until the speakerphone is there and the agent speaks with nobody at it.
    pub(crate) async fn desk_is_free(&self) -> anyhow::Result<()> {
        let there = |desk: &Value| desk["state"] == "ready";
        self.api.wait_for("/v1/desk", PLUGGED, there).await.context("there is no speakerphone")?;
        self.api.wait_for("/v1/desk", PARTED, |desk| desk["talking"] == false).await.map(drop)
    }
}

macro_rules! stories {
    ($($(#[$doc:meta])* $story:ident = $name:literal, $title:literal, $told:path;)+) => {
        /// A story.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Story {
            $($(#[$doc])* $story,)+
        }

        impl Story {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$story,)+];

            /// Its name for `--only`.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$story => $name,)+ }
            }

            /// What it says.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$story => $title,)+ }
            }

            /// Tells it: what was measured.
            pub(crate) async fn tell(self, scene: &mut Scene, _report: &mut Report) -> anyhow::Result<String> {
                match self { $(Self::$story => $told(scene).await,)+ }
            }
        }
    };
}

stories! {
    /// Nothing works without it.
    Install = "install", "dpkg installs the package, and without secrets the unit says what is missing", install::install;
    /// The daemon is ready in time and says how it is.
    Ready = "ready", "READY and STATUS", service::ready;
    /// `systemd-analyze security`.
    Exposure = "exposure", "exposure score of the running unit", service::exposure;
    /// Who can read the secrets.
    Secrets = "credentials", "secrets are readable by the service and nobody else", service::credentials;
    /// Sound card, buttons, groups.
    Devices = "devices", "plugged in, the speakerphone is a sound card and a hidraw node that the service uses", service::devices;
    /// Hook, greeting, question, mute, goodbye.
    Desk = "desk", "hook pressed: a conversation at the desk, words recognised both ways", desk::conversation;
    /// The mute key.
    Mute = "mute", "mute pressed: acknowledged by the lamp, and nothing is heard", desk::mute;
    /// Desk and phone at once.
    Both = "both", "a phone call and the desk at the same time", desk::with_a_call;
    /// Counters of the audio thread.
    Xruns = "xruns", "not one xrun so far", desk::xruns;
    /// Out in mid-sentence, in as another card.
    Replug = "replug", "unplugged in mid-sentence, replugged as another card: it goes on", desk::replug;
    /// `systemctl reload`.
    Reload = "reload", "reload: a good file is taken, a bad one refused and the old kept", service::reload;
    /// SIGKILL.
    Kill = "sigkill", "killed: systemd restarts it", faults::killed;
    /// SIGSTOP.
    Hang = "sigstop", "stopped in its tracks: the watchdog has it restarted", faults::hung;
    /// `systemctl stop` during a conversation.
    Drain = "drain", "systemctl stop ends a call politely, within its time", faults::drained;
    /// A newer package.
    Upgrade = "upgrade", "upgrade to a newer package", install::upgrade;
    /// No credential.
    NoSecret = "no-secret", "a missing and an empty credential", refusals::credential;
    /// Unreadable file.
    Unreadable = "unreadable", "a configuration that the service may not read", refusals::unreadable;
    /// Port taken.
    Port = "port", "a port that is taken", refusals::port;
    /// ENOSPC.
    Full = "full", "a full data partition: the phone is answered all the same", refusals::full;
    /// EROFS.
    ReadOnly = "read-only", "a read-only data partition: the phone is answered all the same", refusals::read_only;
    /// A clock without battery.
    Clock = "clock", "clock at 1970", refusals::clock;
    /// No route to anywhere.
    Network = "network", "no network when it starts, and arriving later", refusals::network;
    /// Half a speakerphone.
    NoMicrophone = "no-capture", "a sound card without a microphone", refusals::no_microphone;
    /// The last before the power cut.
    Booking = "booking", "an appointment is booked on the phone, and the power is cut behind the answer", cut::book_and_cut;
    /// After the reboot.
    Kept = "kept", "after the power cut nothing is lost and nothing is done twice", cut::kept;
    /// Nobody needs it any more.
    Purge = "purge", "purge leaves nothing behind", install::purge;
    /// Another beginning.
    Readme = "readme", "a stranger follows the readme's \"Put it on a box\" word for word", readme::followed;
}

impl Story {
    /// Up to the power cut.
    pub(crate) const BEFORE_CUT: &[Self] = Self::ALL.split_at(24).0;
    /// After it.
    pub(crate) const AFTER_CUT: &[Self] = Self::ALL.split_at(24).1;

    /// Without which others cannot be told.
    pub(crate) fn is_needed_by_others(self) -> bool {
        matches!(self, Self::Install | Self::Devices)
    }
}
