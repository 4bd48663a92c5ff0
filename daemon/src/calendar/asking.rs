//! Asking the outside calendar while a caller waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::booking::appointment::{AppointmentId, Busy, Span};
use frontdesk_core::clerk::{Outside, Question};
use frontdesk_core::clinic::ids::PractitionerId;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::timeout;

use super::trouble::Troubles;
use super::{Backend, CalError, Calendar as _, Taken, strangers};
use crate::conversation::tools::AskOutside;
use crate::logging::chain;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};

/// A caller hears nothing meanwhile, and then that the calendar cannot be reached.
const PATIENCE: Duration = Duration::from_secs(4);
/// More appointments than a year of twenty practitioners has are not looked at.
pub(crate) const MOST: usize = 100_000;

/// How a clinic's conversations ask `backend`; nothing is to be asked if it is not outside. Answers within four seconds.
/// The clinic's own appointments in `store` count as the store has them, not as the calendar does. `now` is the civil time.
pub fn ask(backend: Arc<Backend>, store: Store, metrics: Metrics, now: fn() -> Timestamp) -> Option<AskOutside> {
    if !backend.is_outside() {
        return None;
    }
    let troubles = Arc::new(Troubles::new());
    Some(Arc::new(move |question| {
        let (backend, store) = (Arc::clone(&backend), store.clone());
        let (troubles, metrics) = (Arc::clone(&troubles), metrics.clone());
        Box::pin(async move { answer(&backend, &store, (&troubles, &metrics), &question, now()).await })
    }))
}

async fn answer(
    backend: &Backend,
    store: &Store,
    (troubles, metrics): (&Troubles, &Metrics),
    question: &Question,
    now: Timestamp,
) -> Outside {
    let times = match times(store, question.span, now).await {
        Ok(times) => times,
        Err(error) => {
            log::error!("the store cannot be read: {}", chain(&error));
            return Outside::Unreachable(Vec::new());
        }
    };
    let of_each = question.practitioners.iter().map(async |of| (of, taken(backend, of, question.span).await));
    let mut busy = Vec::new();
    let mut is_known = true;
    for (of, taken) in join_all(of_each).await {
        metrics.calendar_asked("busy", taken.is_ok());
        let taken = match taken {
            Ok(taken) => {
                troubles.over(of);
                taken
            }
            Err(error) => {
                troubles.note(of, &error.to_string());
                is_known = false;
                error.known()
            }
        };
        let spans = strangers(&taken, |id| times.get(&id).copied());
        busy.extend(spans.into_iter().map(|span| Busy { practitioner: of.clone(), span, kind: None }));
    }
    if is_known { Outside::Busy(busy) } else { Outside::Unreachable(busy) }
}

async fn taken(backend: &Backend, of: &PractitionerId, within: Span) -> Result<Vec<Taken>, CalError> {
    let late = || CalError::Retry { found: "it does not answer in time".to_owned(), after: None };
    timeout(PATIENCE, backend.busy(of, within)).await.unwrap_or_else(|_| Err(late()))
}

/// When the store has the appointments that overlap with `span`.
pub(crate) async fn times(
    store: &Store,
    span: Span,
    now: Timestamp,
) -> Result<HashMap<AppointmentId, Span>, StoreError> {
    let appointments = store.appointments_within(span, now, MOST).await?;
    Ok(appointments.into_iter().map(|appointment| (appointment.id, appointment.slot.time)).collect())
}
