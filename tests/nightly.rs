//! One call of 25 minutes in real time, with everything that happens to long calls. Run by `make nightly`.
#![expect(clippy::print_stdout, reason = "whoever waits half an hour wants to see what came of it")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use frontdesk_gemini_sim::{Ending, Fault, Settings as GeminiSettings, Target};
use frontdesk_tests::script::{clinic, line};
use frontdesk_tests::world::{Making, World, caller_says, listen};
use frontdesk_twilio_sim::{CallPlan, CallState, Step};

const LASTS: Duration = Duration::from_mins(25);
/// What the caller asks, over and over.
const LINES: [usize; 4] = [line::HOURS, line::DIRECTIONS, line::PARKING, line::PRESCRIPTION];

/// What goes wrong, and when, while the caller speaks. Connections are also replaced by plan when they are eight minutes
/// old: at eight and at eighteen.
fn troubles() -> Vec<(Duration, Fault)> {
    let go_away = Fault::GoAway { time_left: Some(Duration::from_secs(10)), then: Ending::Deadline };
    vec![
        (Duration::from_mins(10), go_away),
        (Duration::from_mins(19), Fault::Drop),
        (Duration::from_mins(22), Fault::Stall(Duration::from_secs(20))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_25_minutes_is_one_conversation() {
    let scenario = clinic();
    let gemini = GeminiSettings { scenario: clinic(), ..GeminiSettings::default() };
    let world = World::make(Making { gemini, ..Making::default() }).await.expect("the world starts");
    let plan = CallPlan { time_limit: LASTS + Duration::from_mins(5), ..world.plan_call([listen()]) };
    let call = world.twilio.call(plan);
    let began = Instant::now();
    let mut troubles = troubles().into_iter().peekable();
    let mut asked: HashMap<&str, usize> = HashMap::new();
    // The daemon winds calls up after 29 minutes: the caller says goodbye before that.
    for n in 0.. {
        if began.elapsed() >= LASTS {
            break;
        }
        let text = scenario.exchanges[LINES[n % LINES.len()]].caller.as_str();
        *asked.entry(text).or_default() += 1;
        let say = caller_says(&scenario, text).expect("espeak-ng speaks");
        let middle = say.duration() / 2;
        let wait = Step::WaitForSilence { quiet: Duration::from_millis(900), timeout: Duration::from_mins(1) };
        let exchange = call.perform([Step::Say(say), wait]);
        if let Some((_, fault)) = troubles.next_if(|(at, _)| began.elapsed() >= *at) {
            let breaks = async {
                tokio::time::sleep(middle).await;
                assert_eq!(world.gemini.inject(Target::Newest, fault), 1);
            };
            tokio::join!(exchange, breaks);
        } else {
            exchange.await;
        }
    }
    let goodbye = caller_says(&scenario, &scenario.exchanges[line::GOODBYE].caller).expect("espeak-ng speaks");
    call.perform([Step::Say(goodbye)]).await;
    let report = call.wait_ended(Duration::from_mins(1)).await.expect("the call ends");

    assert!(report.problems().is_empty(), "{:?}", report.problems());
    assert!(report.gave_up.is_empty(), "{:?}", report.gave_up);
    assert_eq!(report.state, CallState::Completed);
    assert!(report.dialled.is_empty());
    let sessions = world.gemini.sessions();
    assert_eq!(sessions.len(), 1, "one session, however many connections");
    let session = &sessions[0];
    assert_eq!(session.greeted, 1);
    assert_eq!(session.protocol_errors, [""; 0]);
    assert!(
        session.connections >= 6,
        "three troubles and two planned rotations, but {} connections",
        session.connections
    );
    for (text, times) in asked {
        let heard = session.utterances.iter().filter(|heard| heard.recognised.as_deref() == Some(text)).count();
        assert!(heard >= times, "{text:?} was said {times} times and understood {heard} times");
    }
    println!("{} connections, {} utterances", session.connections, session.utterances.len());
}
