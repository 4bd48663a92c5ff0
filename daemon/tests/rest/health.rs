//! What health says of the work outside: from a real store, over real sockets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::clinic::ids::PractitionerId;
use frontdesk_hw::device::DeviceSpec;
use frontdeskd::calendar::trouble::Troubles;
use frontdeskd::clock::Clock;
use frontdeskd::conversation::running::Conversations;
use frontdeskd::desk::invite::Inviter;
use frontdeskd::desk::selftest::Tester;
use frontdeskd::desk::state::{DeskState, DeviceState};
use frontdeskd::http::admin::HealthSource as _;
use frontdeskd::http::reply::{Health, HealthStatus};
use frontdeskd::metrics::Metrics;
use frontdeskd::status::{Desk, Status};
use frontdeskd::store::{Settlement, Staff};
use jiff::{SignedDuration, Timestamp};

use crate::book::{arrange, arrange_at};
use crate::ctl::by_socket;
use crate::world::World;

/// The daemon's own judgement about a world.
fn status(world: &World, clock: fn() -> Clock) -> Status {
    let state = Arc::new(DeskState::new(DeviceState::Off, Box::leak(Box::default())));
    let figures = Box::leak(Box::default());
    let (tester, inviter) = (Tester::off(), Inviter::off());
    let desk = Desk { spec: DeviceSpec::None, state, figures, tester, inviter };
    let google = Arc::clone(&world.state.google);
    Status::new(Conversations::new(1, Metrics::new()), desk, google, world.state.store.clone(), clock)
}

fn judged() -> World {
    let mut world = World::new(HealthStatus::Ok);
    world.state.health = Arc::new(status(&world, Clock::read));
    world
}

#[tokio::test]
async fn what_was_given_up_makes_health_degraded_until_somebody_has_looked() {
    let mut world = judged();
    let store = world.state.store.clone();
    arrange(&store).await;
    let (admin, socket) = (world.admin(None).await, world.control());
    assert_eq!(admin.ask("GET /health", &[]).await.status, 200, "what waits is no trouble yet");
    assert!(by_socket(&socket, "status").await.1.contains("outbox      3 waiting, the oldest for 0:0"));

    let due = store.claim_errands(Timestamp::now(), [1, 1, 0, 0, 0]).await.unwrap().due;
    for due in &due {
        store.settle_errand(due.id, Settlement::Dead("no such mailbox".to_owned()), Timestamp::now()).await.unwrap();
    }
    let answer = admin.ask("GET /health", &[]).await;
    let health: Health = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, health.status), (503, HealthStatus::Degraded));
    assert_eq!((health.outbox.waiting, health.outbox.dead), (1, 2));
    let said = "2 errands were given up: frontdeskctl outbox list --dead says which and why";
    assert_eq!(health.outbox.why.as_deref(), Some(said));
    let (code, out, _) = by_socket(&socket, "status").await;
    assert!(code == 1 && out.contains(", degraded\n") && out.contains(&format!("\noutbox      {said}\n")), "{out}");
    assert!(world.state.metrics.encode().contains("\nfrontdesk_outbox_dead 2\n"));

    for due in due {
        store.errand_by_staff(due.id, Staff::Drop, Timestamp::now()).await.unwrap();
    }
    assert_eq!(admin.ask("GET /health", &[]).await.status, 200);
    assert_eq!(by_socket(&socket, "health").await.0, 0);
}

#[tokio::test]
async fn what_waits_for_more_than_a_quarter_of_an_hour_makes_health_degraded() {
    for (minutes, condition) in [(14, HealthStatus::Ok), (16, HealthStatus::Degraded)] {
        let world = World::new(HealthStatus::Ok);
        let status = status(&world, Clock::read);
        arrange_at(&world.state.store, Timestamp::now() - SignedDuration::from_mins(minutes)).await;
        // Errands are counted once their writer has its answer, and before anybody else is answered.
        world.state.store.errands(Timestamp::now()).await.unwrap();
        let health = status.health();
        assert_eq!((health.status, health.outbox.why.is_some()), (condition, condition == HealthStatus::Degraded));
        if let Some(why) = health.outbox.why {
            let said = "3 errands wait, the oldest for 16 minutes: frontdeskctl outbox list says what is in the way";
            assert_eq!(why, said);
            assert!(status.line().ends_with(" · the outbox is late"), "{}", status.line());
        }
    }
}

#[tokio::test]
async fn a_calendar_that_cannot_be_used_for_a_quarter_of_an_hour_makes_health_degraded() {
    let world = World::new(HealthStatus::Ok);
    let troubles = Arc::new(Troubles::new());
    let status = status(&world, Clock::read).with_calendars(Arc::clone(&troubles));
    let osei = PractitionerId::parse("osei").unwrap();
    troubles.note(&osei, "HTTP 503");
    let in_minutes = |minutes| Instant::now() + Duration::from_mins(minutes);
    let fresh = status.health();
    assert_eq!((fresh.status, fresh.calendar.why), (HealthStatus::Ok, None));
    assert_eq!(status.health_at(in_minutes(14)).status, HealthStatus::Ok);
    let late = status.health_at(in_minutes(16));
    assert_eq!((late.status, late.calendar.unusable), (HealthStatus::Degraded, 1));
    assert!(late.calendar.why.unwrap().starts_with("1 calendar has not been usable for more than 15 minutes"));
    troubles.over(&osei);
    assert_eq!(status.health_at(in_minutes(16)).status, HealthStatus::Ok);
}
