//! The power fails behind a booking.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use frontdesk_gemini_sim::SessionReport;
use frontdesk_tests::script::booking_line;
use frontdesk_tests::world::{caller_says, listen};
use frontdesk_twilio_sim::Step;
use serde_json::Value;

use super::Scene;
use crate::guest::{run, until};
use crate::unit;

/// From the wish to the booking, said and heard.
const BOOKED_WITHIN: Duration = Duration::from_mins(4);
const SOON: Duration = Duration::from_mins(1);

/// The moment at which the model has been told that the appointment is booked: from here on the caller may hear it.
fn confirmed(session: &SessionReport) -> bool {
    session.tool_calls.iter().any(|call| call.name == "book" && call.answered_at.is_some())
}

/// A caller books; the instant the answer is out, the power goes.
pub(super) async fn book_and_cut(scene: &mut Scene) -> anyhow::Result<String> {
    let scenario = scene.clinic.scenario.clone();
    let mut steps = vec![listen()];
    for turn in [booking_line::WISH, booking_line::CHOICE, booking_line::NAME, booking_line::YES] {
        steps.push(Step::Say(caller_says(&scenario, &scenario.exchanges[turn].caller)?));
        steps.push(listen());
    }
    let _call = scene.clinic.call(steps);
    scene
        .clinic
        .gemini
        .wait_for(|sessions| sessions.iter().any(confirmed), BOOKED_WITHIN)
        .await
        .context("no booking")?;
    let sessions = scene.clinic.gemini.sessions();
    let told = sessions.iter().flat_map(|session| &session.tool_calls).find(|call| call.name == "book");
    let told = told.and_then(|call| call.response.clone()).context("no answer")?;
    std::fs::write(scene.share.join("told.json"), told.to_string())?;
    ensure!(told["error"].is_null() && told["response"]["error"].is_null(), "the booking was refused: {told}");
    // Counted here: once the runner sees the file there is no machine to count it.
    Ok("confirmed to the caller".to_owned())
}

/// What was confirmed is there, once, and its letter is sent once.
pub(super) async fn kept(scene: &mut Scene) -> anyhow::Result<String> {
    // By itself, with the secrets that it had.
    unit::becomes("active").await?;
    // The model of this boot has another certificate.
    scene.clinic.provision()?;
    unit::restart()?;
    let ready = unit::ready_after()?;
    let path = format!("/v1/appointments?to={}", run(&["date", "--utc", "--date", "300 days", "+%FT%TZ"])?);
    let booked = |answer: &Value| -> usize {
        let all = answer["appointments"].as_array();
        all.map_or(0, |all| all.iter().filter(|row| row["state"] == "booked").count())
    };
    let answer = scene.api.wait_for(&path, SOON, |answer| answer["appointments"].is_array()).await?;
    ensure!(booked(&answer) == 1, "{} appointments are booked: {answer:#}", booked(&answer));
    let done = |outbox: &Value| {
        outbox["errands"].as_array().is_some_and(|all| all.iter().all(|errand| errand["kind"] == "reminder"))
    };
    let outbox = scene.api.wait_for("/v1/outbox", SOON, done).await?;
    ensure!(outbox["dead"] == 0, "given up: {outbox:#}");
    let folder = Path::new("/var/lib/frontdesk/outbox/new");
    let letters = until("a letter", SOON, async || {
        let letters = std::fs::read_dir(folder)?.count();
        Ok((letters > 0).then_some(letters))
    })
    .await?;
    ensure!(letters == 1, "{letters} letters");
    let health = scene.api.json("/health").await?;
    let store = &health["store"]["state"];
    ensure!(store == "ok", "the store is {store}");
    Ok(format!("one appointment, one letter, store {store}, ready {} ms after exec", ready.as_millis()))
}
