//! A desk at which nobody talks: its streams stand still, and start for whoever needs them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use frontdesk_room::EchoPath;
use frontdesk_tests::daemon::program;
use frontdesk_tests::script::line;
use serde_json::Value;
use tokio::task::block_in_place;

use crate::desk::{Counter, heard_in, understood};

const SOON: Duration = Duration::from_secs(20);
/// Streams run on for ten seconds; a busy machine takes its time to say so.
const QUIET: Duration = Duration::from_secs(40);

impl Counter {
    async fn stands_by(&self) -> Value {
        self.world.daemon.wait_for_json("/v1/desk", QUIET, |desk| desk["standing_by"] == true).await.unwrap()
    }

    /// How often the threads of this name have slept so far.
    fn sleeps(&self, name: &str) -> u64 {
        let tasks = format!("/proc/{}/task", self.world.daemon.pid());
        let threads = std::fs::read_dir(tasks).unwrap().filter_map(|thread| {
            let path = thread.unwrap().path();
            let status = std::fs::read_to_string(path.join("status")).ok()?;
            let its = |key: &str| status.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()));
            (its("Name:")? == name).then(|| its("voluntary_ctxt_switches:")?.parse::<u64>().ok()).flatten()
        });
        threads.sum()
    }
}

/// Nobody is there for a while. Then somebody presses the button: the greeting is whole, and so is the first word.
#[tokio::test(flavor = "multi_thread")]
async fn a_desk_that_stood_by_greets_from_the_first_word_and_hears_from_the_first_word() {
    let counter = Counter::open("button").await;
    let idle = counter.stands_by().await;
    assert_eq!((idle["state"].as_str(), idle["levels"]["microphone"].as_f64()), (Some("ready"), Some(-120.0)));

    let before = ["desk-rt", "dsp"].map(|name| counter.sleeps(name));
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (name, before) in ["desk-rt", "dsp"].into_iter().zip(before) {
        let woken = counter.sleeps(name) - before;
        assert!((1..=15).contains(&woken), "{name} woke {woken} times in five seconds");
    }

    let from = counter.room.air().now();
    let (status, begun) = counter.world.daemon.post("/v1/desk/talk").await.unwrap();
    assert_eq!(status, 201, "{begun:#}");
    counter.listen();
    let turns = [line::HOURS, line::GOODBYE];
    for turn in turns {
        counter.say(turn);
        counter.listen();
    }
    let record = counter.record().await;
    assert_eq!(record["end_reason"], "agent-ended");

    let loudspeaker = counter.room.air().loudspeaker().since(from);
    let mut lines = vec![counter.scenario.greeting.as_str()];
    lines.extend(turns.map(|turn| counter.scenario.exchanges[turn].reply.as_str()));
    for (line, share) in lines.iter().zip(heard_in(&counter, &loudspeaker, &lines)) {
        assert!(share > 0.95, "of {line:?} the visitor heard {:.0} %", share * 100.0);
    }
    let said: Vec<_> = turns.iter().map(|&turn| counter.scenario.exchanges[turn].caller.as_str()).collect();
    assert_eq!(understood(&counter.session()), said);

    // Behind it the desk rests again; what it started and stopped has cost nothing that counts as lost.
    let rested = counter.stands_by().await;
    let metrics = counter.world.daemon.get("/metrics").await.unwrap().1;
    assert!(metrics.contains("frontdesk_desk_standing_by 1\n"), "{metrics}");
    assert!(metrics.contains("frontdesk_desk_standbys_total 2\n"), "{metrics}");
    assert!(metrics.contains("frontdesk_desk_rousing_seconds_count 1\n"), "{metrics}");
    assert_eq!(rested["sound"]["opened"], 1);
}

/// Whoever tests it, or looks at its meters, need not know that it stood by; a look at its state leaves it alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_technicians_test_and_meters_wake_a_desk_that_stood_by() {
    let counter = Counter::open("button").await;
    counter.room.air().set_noise(Some(-50.0));
    counter.room.air().set_echo(Some(&EchoPath { delay: Duration::from_millis(60), ..EchoPath::default() }));
    counter.stands_by().await;
    let (status, tested) = counter.world.daemon.post("/v1/desk/test").await.unwrap();
    assert_eq!(status, 200, "{tested:#}");
    let works = |finding: &Value| finding["code"] == "canceller_works";
    assert!(tested["findings"].as_array().unwrap().iter().any(works), "{tested:#}");
    counter.stands_by().await;

    let socket = counter.world.plan.home.join("control.sock");
    let ask = |words: &'static [&'static str]| {
        let mut tool = tokio::process::Command::new(program("frontdeskctl").unwrap());
        tool.arg("--socket").arg(&socket).args(words).output()
    };
    let told = String::from_utf8(ask(&["desk"]).await.unwrap().stdout).unwrap();
    assert!(told.contains("now         idle, standing by"), "{told}");
    assert_eq!(counter.world.daemon.json("/v1/desk").await.unwrap()["standing_by"], true, "a look is no need");
    let levels = ask(&["desk", "levels", "--json"]).await.unwrap();
    let levels: Value = serde_json::from_slice(&levels.stdout).unwrap();
    assert!(levels["microphone"].as_f64().unwrap() > -70.0, "the room's noise: {levels:#}");
    let awake = counter.world.daemon.json("/v1/desk").await.unwrap();
    assert_eq!(awake["standing_by"], false);
    counter.stands_by().await;
}

/// Nothing is read from a device that stands by, and yet it is missed when it goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_speakerphone_that_is_pulled_out_while_it_stands_by_is_missed_and_serves_again_when_it_is_back() {
    let mut counter = Counter::open("button").await;
    counter.stands_by().await;
    block_in_place(|| counter.room.unplug()).unwrap();
    let gone = |desk: &Value| desk["state"] == "absent";
    let absent = counter.world.daemon.wait_for_json("/v1/desk", SOON, gone).await.unwrap();
    assert_eq!(absent["standing_by"], false, "{absent:#}");
    block_in_place(|| counter.room.plug()).unwrap();
    let back = |desk: &Value| desk["state"] == "ready" && desk["sound"]["opened"] == 2;
    counter.world.daemon.wait_for_json("/v1/desk", SOON, back).await.unwrap();
    counter.stands_by().await;
    assert_eq!(counter.world.daemon.post("/v1/desk/talk").await.unwrap().0, 201);
    block_in_place(|| counter.room.air().wait_for_voice(Duration::from_millis(200), SOON)).unwrap();
}
