//! What a bundle holds: what says how the box is, and nothing of anybody.

use std::path::Path;

use http::Method;
use serde_json::{Map, Value, json};

use super::archive::Member;
use super::redact::Redactor;
use super::settings::Settings;
use crate::ctl::client::Client;
use crate::ctl::doctor::{self, NoWord, System, ask};
use crate::ctl::progress::Progress;
use crate::http::reply::Health;

const UNITS: &str = "frontdeskd";
/// Fields of the journal that say what happened, and of whom nothing: the rest stays here.
const FIELDS: [&str; 16] = [
    "__REALTIME_TIMESTAMP",
    "PRIORITY",
    "MESSAGE",
    "MESSAGE_ID",
    "TARGET",
    "CODE_MODULE",
    "CODE_LINE",
    "CALL_SID",
    "LIVE_ID",
    "STREAM_SID",
    "LEG",
    "EVENT_ID",
    "UNIT",
    "JOB_RESULT",
    "EXIT_STATUS",
    "EXIT_CODE",
];
const PROPERTIES: &str = "LoadState,ActiveState,SubState,NRestarts,Result,UnitFileState,ExecMainStatus,StatusText,\
                          ActiveEnterTimestamp,MemoryCurrent,CPUUsageNSec,TasksCurrent,LimitRTPRIO,WatchdogUSec,Type,DropInPaths";

/// Everything, redacted, and how often something was taken out.
pub(super) async fn gather(client: &Client, config: &Path, since: &str) -> (Vec<Member>, usize) {
    let progress = Progress::start("gathering");
    let settings = Settings::read(config);
    let hostname = System::below(Path::new("/")).hostname();
    let mut redactor = Redactor::knowing(settings.private.into_iter().chain(hostname));
    let mut members = Vec::new();
    let mut add = |name: &str, what, text: String| {
        let text = redactor.redact(text.trim_end()) + "\n";
        members.push(Member { name: name.to_owned(), what, text });
    };
    progress.at(0, 6, "doctor");
    let examined = doctor::examine(client, &doctor::Options::all(config)).await;
    add("doctor.txt", "what frontdeskctl doctor finds", doctor::text(&examined));
    add("doctor.json", "the same for programs", pretty(&doctor::json(&examined)));
    progress.at(1, 6, "the daemon");
    add("health.json", "what the daemon says of itself", health(client).await);
    add("metrics.txt", "the daemon's counters", metrics(client).await);
    progress.at(2, 6, "versions");
    add("versions.txt", "versions of Frontdesk, of the system and of its kernel", versions().await);
    progress.at(3, 6, "the unit");
    let unit = ask("systemctl", &["show", UNITS, "--property", PROPERTIES]).await;
    add("unit.txt", "the state of the unit", or_why(unit));
    progress.at(4, 6, "the configuration");
    add("config.txt", "how the box is set up, without names, numbers, addresses and texts", settings.shown);
    progress.at(5, 6, "the journal");
    let unit = format!("--unit={UNITS}");
    let since = format!("--since={since}");
    let journal = ask("journalctl", &[unit.as_str(), &since, "--output=json", "--no-pager", "--lines=20000"]).await;
    add(
        "journal.jsonl",
        "what the daemon has logged, without names, numbers and speech",
        or_why(journal.map(|it| fields(&it))),
    );
    drop(progress);
    (members, redactor.taken)
}

/// An answer, or the reason why there is none.
fn or_why(said: Result<String, NoWord>) -> String {
    said.unwrap_or_else(|why| format!("not there: {why}\n"))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Read into its shape and written again: what is not known here is not passed on.
async fn health(client: &Client) -> String {
    let answer = client.ask_any(Method::GET, "/health").await;
    match answer.and_then(|answer| answer.json::<Health>()) {
        Ok(health) => pretty(&json!(health)),
        Err(error) => format!("not there: {}\n", crate::logging::chain(&error)),
    }
}

async fn metrics(client: &Client) -> String {
    match client.ask(Method::GET, "/metrics").await {
        Ok(answer) => answer.text().map(str::to_owned).unwrap_or_default(),
        Err(error) => format!("not there: {}\n", crate::logging::chain(&error)),
    }
}

async fn versions() -> String {
    let system = System::below(Path::new("/"));
    let mut lines = vec![format!("frontdeskctl {}", env!("CARGO_PKG_VERSION"))];
    lines.push(format!("system {}", system.pretty_name()));
    // Not all of it: the name of the machine is nobody's business.
    lines.push(format!("kernel {}", or_why(ask("uname", &["--kernel-name", "--kernel-release", "--machine"]).await)));
    lines.push(or_why(
        ask("systemctl", &["--version"]).await.map(|text| text.lines().next().unwrap_or_default().to_owned()),
    ));
    let packages =
        ["--show", "--showformat=${Package} ${Version} ${Architecture}\n", "frontdesk*", "alsa-utils", "libasound2*"];
    lines.push(or_why(ask("dpkg-query", &packages).await));
    lines.push(format!("model {}", system.model()));
    lines.join("\n")
}

/// The journal's entries with the fields that are meant to be passed on, one a line.
fn fields(journal: &str) -> String {
    let mut out = String::new();
    for line in journal.lines() {
        let Ok(entry) = serde_json::from_str::<Map<String, Value>>(line) else { continue };
        let kept: Map<String, Value> = entry.into_iter().filter(|(key, _)| FIELDS.contains(&key.as_str())).collect();
        out.push_str(&Value::Object(kept).to_string());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_fields_of_the_journal_leave() {
        let journal = r#"{"MESSAGE":"a call","PRIORITY":"6","_HOSTNAME":"riverside","_CMDLINE":"frontdeskd","CALLER":"x"}
            not JSON
            {"MESSAGE":[1,2],"CALL_SID":"CA1"}"#;
        let kept = fields(journal);
        assert_eq!(kept, "{\"MESSAGE\":\"a call\",\"PRIORITY\":\"6\"}\n{\"CALL_SID\":\"CA1\",\"MESSAGE\":[1,2]}\n");
    }
}
