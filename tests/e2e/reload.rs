//! The configuration is changed while the daemon runs.

use std::process::Output;
use std::time::Duration;

use frontdesk_gemini_sim::SessionReport;
use frontdesk_tests::daemon::{FALLBACK, program};
use frontdesk_tests::script::{clinic, line};
use frontdesk_tests::world::{Making, World, agent_recogniser, caller_says, listen};
use frontdesk_twilio_sim::{CallState, Step};
use tokio::process::Command;

const CALL: Duration = Duration::from_secs(90);
const SOON: Duration = Duration::from_secs(5);
const OTHER_FALLBACK: &str = "+15550100901";

/// `frontdeskctl` on the daemon's control socket.
async fn ctl(world: &World, arguments: &[&str]) -> Output {
    let socket = world.plan.home.join("control.sock");
    let mut tool = Command::new(program("frontdeskctl").expect("it is built"));
    tool.env_clear().arg("--socket").arg(socket).args(arguments).output().await.expect("it runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What the next daemon would read; the running one is told of it by nobody yet.
fn write(world: &mut World, section: &'static str, line: &str) {
    world.plan.lines.push((section, line.to_owned()));
    world.plan.write().expect("the folder is ours");
}

/// The instruction that the model was given on the first connection of that conversation.
fn instruction(world: &World, conversation: usize) -> String {
    world.gemini.sessions()[conversation].setups[0].to_string()
}

/// Somebody changes the clinic's name, the greeting and the fallback number while a caller is being answered: the caller
/// hears every word of the answer, the conversation goes on as it began, and the next caller is greeted in the new way.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_in_mid_call_changes_nothing_for_the_caller_and_everything_for_the_next() {
    let scenario = clinic();
    let mut world = World::start().await.unwrap();
    let asked = &scenario.exchanges[line::DIRECTIONS];
    let call =
        world.call([listen(), Step::Say(caller_says(&scenario, &asked.caller).unwrap()), listen(), Step::HangUp]);
    // In the middle of the long answer.
    let answers = |sessions: &[SessionReport]| sessions.first().is_some_and(|session| session.replies.len() >= 2);
    world.gemini.wait_for(answers, CALL).await.unwrap();
    write(&mut world, "clinic", "name = \"Hillside Clinic\"");
    write(&mut world, "gemini", "greeting = \"Good day, this is Hillside.\"");
    write(&mut world, "phone", &format!("fallback_number = {OTHER_FALLBACK:?}"));
    write(&mut world, "phone", "listen = \"127.0.0.1:1\"");
    let reload = ctl(&world, &["reload"]).await;
    assert!(reload.status.success(), "{}", said(&reload));
    assert_eq!(
        said(&reload).trim(),
        "the configuration was read again: new conversations obey [clinic] name, [gemini] greeting, [phone] \
         fallback_number; needs a restart: [phone] listen"
    );

    let report = call.wait_ended(CALL).await.unwrap();
    assert!(report.problems().is_empty(), "{:?}", report.problems());
    assert_eq!((report.state, report.dialled.len()), (CallState::Completed, 0));
    let heard = report.stream().unwrap().heard();
    let recogniser = agent_recogniser(&scenario, &[&asked.reply]).unwrap();
    let words = recogniser.words_heard(0, &heard.pcm);
    assert!(words.fraction > 0.95, "the caller heard {:.0} % of the answer", words.fraction * 100.0);
    let session = &world.gemini.sessions()[0];
    assert_eq!((session.connections, session.greeted, session.protocol_errors.len()), (1, 1, 0));
    assert!(instruction(&world, 0).contains("Riverside Clinic"));

    world.call([listen(), Step::HangUp]).wait_ended(CALL).await.unwrap();
    let told = instruction(&world, 1);
    assert!(told.contains("Hillside Clinic") && !told.contains("Riverside Clinic"), "{told}");
    assert!(told.contains("Good day, this is Hillside."), "{told}");

    let health = world.daemon.json("/health").await.unwrap();
    assert_eq!(health["config"]["needs_restart"], serde_json::json!(["[phone] listen"]));
    assert_eq!(health["config"]["refused"], serde_json::Value::Null);
}

/// Somebody makes mistakes: each is told, to whoever asked and in the log, everybody is answered as before, and the box
/// says so until the file is mended.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_mistakes_is_refused_and_the_one_of_before_goes_on() {
    let mut world = World::start().await.unwrap();
    write(&mut world, "phone", "max_calls = 5000");
    write(&mut world, "phone", "fallback_numbr = \"+15550100901\"");
    let refused = ctl(&world, &["reload"]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    for mistake in ["[phone] max_calls = 5000", "[phone] fallback_numbr"] {
        assert!(said(&refused).contains(mistake), "{mistake} is not in: {}", said(&refused));
        world.daemon.wait_for_log(mistake, SOON).await.unwrap();
    }
    let health = world.daemon.json("/health").await.unwrap();
    assert_eq!((health["status"].as_str(), health["max_calls"].as_u64()), (Some("degraded"), Some(50)));
    assert_eq!(health["config"]["refused"].as_array().unwrap().len(), 2, "{health}");
    assert!(world.daemon.get("/metrics").await.unwrap().1.contains("\nfrontdesk_reload_refused 1\n"));
    let report = world.call([listen(), Step::HangUp]).wait_ended(CALL).await.unwrap();
    assert_eq!((report.state, report.dialled.len()), (CallState::Completed, 0), "{:?}", report.events);

    world.plan.lines.clear();
    world.plan.write().expect("the folder is ours");
    let mended = ctl(&world, &["--json", "reload"]).await;
    let answer: serde_json::Value = serde_json::from_slice(&mended.stdout).unwrap();
    assert_eq!(answer, serde_json::json!({ "applied": [], "needs_restart": [], "advice": [] }));
    assert_eq!(world.daemon.json("/health").await.unwrap()["config"]["refused"], serde_json::Value::Null);
    assert!(world.daemon.get("/metrics").await.unwrap().1.contains("\nfrontdesk_reload_refused 0\n"));
}

/// SIGHUP does the same: with room for no further call the next caller is sent on, to the number that was written last.
#[tokio::test(flavor = "multi_thread")]
async fn sighup_takes_limits_and_numbers_at_once() {
    let making = Making { lines: vec![("phone", "max_calls = 2".into())], ..Making::default() };
    let mut world = World::make(making).await.unwrap();
    let running = world.call([listen(), listen(), Step::WaitForSilence { quiet: CALL, timeout: CALL }]);
    running.wait_for(|report| report.stream().is_some_and(|stream| stream.bytes_received > 8_000), CALL).await.unwrap();
    write(&mut world, "phone", "max_calls = 1");
    write(&mut world, "phone", &format!("fallback_number = {OTHER_FALLBACK:?}"));
    world.daemon.signal("HUP").unwrap();
    world.daemon.wait_for_log("new conversations obey [phone] fallback_number, [phone] max_calls", SOON).await.unwrap();

    let second = world.call([]).wait_ended(CALL).await.unwrap();
    assert!(second.streams.is_empty(), "there is room for one");
    assert_eq!(second.dialled[0].targets, [OTHER_FALLBACK]);
    assert_eq!(world.daemon.json("/health").await.unwrap()["active_calls"], 1, "the first goes on");

    // The one that runs is left to the number of its time: Twilio has that from its beginning.
    world.daemon.kill().unwrap();
    let report = running.wait_ended(CALL).await.unwrap();
    assert_eq!(report.dialled[0].targets, [FALLBACK]);
}

/// Many ask at once: one after the other is answered, and the last word written counts.
#[tokio::test(flavor = "multi_thread")]
async fn reloads_at_the_same_time_are_done_one_after_the_other() {
    let mut world = World::start().await.unwrap();
    write(&mut world, "log", "level = \"info\"");
    let four = tokio::join!(
        ctl(&world, &["reload"]),
        ctl(&world, &["reload"]),
        ctl(&world, &["reload"]),
        ctl(&world, &["reload"])
    );
    let answers: Vec<String> = [four.0, four.1, four.2, four.3]
        .iter()
        .map(|output| {
            assert!(output.status.success(), "{}", said(output));
            said(output)
        })
        .collect();
    let applied = answers.iter().filter(|answer| answer.contains("obey [log] level")).count();
    let nothing = answers.iter().filter(|answer| answer.contains("nothing has changed")).count();
    assert_eq!((applied, nothing), (1, 3), "{answers:?}");
    // Over the network nobody can ask for it.
    assert_eq!(world.daemon.post("/v1/reload").await.unwrap().0, 404);
}
