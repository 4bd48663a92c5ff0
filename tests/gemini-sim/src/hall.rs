//! Who is connected, and who may come back with which handle.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, mpsc};

use crate::{
    conversation::Memory,
    fault::{Fault, Injection, PlannedFault, Switches, Target},
    report::Ledger,
    wire::Refusal,
};

/// A client that closed its old socket a moment ago is not to be refused because its farewell is still on the way.
const FAREWELL: Duration = Duration::from_millis(300);

/// What a connection is told from outside.
#[derive(Debug)]
pub(crate) enum Order {
    Inject(Injection),
    ClearFaults,
}

/// All sessions and the faults that wait for new ones.
pub(crate) struct Hall {
    state: Mutex<State>,
    left: Notify,
}

struct State {
    places: Vec<Place>,
    /// In force for every new session.
    standing: Switches,
    /// Happening to every new session.
    planned: Vec<PlannedFault>,
    newest: Option<usize>,
}

/// One session between and during its connections.
struct Place {
    /// Counts its connections: a connection that was given up for lost has nothing to say any more.
    connection: u32,
    /// A session is one model's.
    model: String,
    presence: Presence,
    memory: Memory,
    switches: Switches,
    /// Faults of its next setup.
    at_the_door: Switches,
    orders: Option<mpsc::UnboundedSender<Order>>,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Presence {
    Connected,
    /// Connected, and a fault keeps us from reading: we would not notice that the client has gone.
    Deaf,
    Away,
}

/// A seat in the hall, for one connection.
pub(crate) struct Entry {
    pub(crate) session: usize,
    pub(crate) connection: u32,
    pub(crate) memory: Memory,
    pub(crate) switches: Switches,
    /// Faults to happen to it; the first connection's only.
    pub(crate) planned: Vec<PlannedFault>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
}

impl Hall {
    pub(crate) fn new(faults: &[PlannedFault]) -> Self {
        let mut standing = Switches::default();
        let at_once = |planned: &&PlannedFault| !planned.injection.fault.is_event() && planned.after.is_zero();
        faults.iter().filter(at_once).for_each(|planned| standing.add(planned.injection.clone()));
        let planned = faults.iter().filter(|planned| !at_once(planned)).cloned().collect();
        let state = State { places: Vec::new(), standing, planned, newest: None };
        Self { state: Mutex::new(state), left: Notify::new() }
    }

    /// A fault of the door: of the upgrade or the setup, before a session is known.
    pub(crate) fn at_the_door<T>(&self, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.lock().standing.take(pick)
    }

    /// How every setup is refused at present.
    pub(crate) fn refusal_at_setup(&self) -> Option<Refusal> {
        let close = |fault: &Fault| match fault {
            Fault::CloseAtSetup { .. } => refusal_at_setup(fault),
            _ => None,
        };
        self.at_the_door(close)
    }

    /// A new session.
    pub(crate) fn enter(&self, model: &str, ledger: &Ledger) -> Entry {
        let mut state = self.lock();
        // Under the lock, so that sessions have the same number here and there.
        let session = ledger.open();
        let (sender, orders) = mpsc::unbounded_channel();
        let switches = state.standing.clone();
        let planned = state.planned.clone();
        state.places.push(Place {
            connection: 1,
            model: model.to_owned(),
            presence: Presence::Connected,
            memory: Memory::default(),
            switches: switches.clone(),
            at_the_door: Switches::default(),
            orders: Some(sender),
        });
        state.newest = Some(session);
        Entry { session, connection: 1, memory: Memory::default(), switches, planned, orders }
    }

    /// A session that comes back with `handle`, or how the service refuses.
    pub(crate) async fn come_back(&self, handle: &str, model: &str, ledger: &Ledger) -> Result<Entry, Refusal> {
        let owner = ledger.find(|report| report.handles.iter().any(|known| known == handle));
        let refuses = |fault: &Fault| (*fault == Fault::RefuseHandle).then_some(());
        let Some(session) = owner.filter(|_| self.at_the_door(refuses).is_none()) else {
            return Err(Refusal::new(1008, "BidiGenerateContent session not found"));
        };
        if let Some(refusal) = self.lock().places[session].at_the_door.take(refusal_at_setup) {
            return Err(refusal);
        }
        if self.lock().places[session].model != model {
            return Err(internal_error());
        }
        let away = async {
            loop {
                let mut left = std::pin::pin!(self.left.notified());
                left.as_mut().enable();
                if self.lock().places[session].presence != Presence::Connected {
                    return;
                }
                left.await;
            }
        };
        if tokio::time::timeout(FAREWELL, away).await.is_err() {
            return Err(internal_error());
        }
        Ok(self.sit_down(session))
    }

    fn sit_down(&self, session: usize) -> Entry {
        let mut state = self.lock();
        state.newest = Some(session);
        let place = &mut state.places[session];
        let (sender, orders) = mpsc::unbounded_channel();
        place.connection += 1;
        place.presence = Presence::Connected;
        place.orders = Some(sender);
        place.switches.reconnected();
        Entry {
            session,
            connection: place.connection,
            memory: place.memory.clone(),
            switches: place.switches.clone(),
            planned: Vec::new(),
            orders,
        }
    }

    /// A connection is over; its session may come back from now on. Whether it still was the session's own.
    pub(crate) fn leave(&self, session: usize, connection: u32, memory: Memory, switches: Switches) -> bool {
        self.set(session, connection, Presence::Away, memory, switches)
    }

    /// A connection reads no more; its session may come back although the socket is open.
    pub(crate) fn go_deaf(&self, session: usize, connection: u32, memory: Memory, switches: Switches) {
        self.set(session, connection, Presence::Deaf, memory, switches);
    }

    /// A connection reads again. Whether it is still the session's own.
    pub(crate) fn hear_again(&self, session: usize, connection: u32) -> bool {
        let mut state = self.lock();
        let place = &mut state.places[session];
        let own = place.connection == connection;
        if own {
            place.presence = Presence::Connected;
        }
        own
    }

    fn set(&self, session: usize, connection: u32, presence: Presence, memory: Memory, switches: Switches) -> bool {
        let mut state = self.lock();
        let place = &mut state.places[session];
        if place.connection != connection {
            return false;
        }
        (place.presence, place.memory, place.switches) = (presence, memory, switches);
        if presence == Presence::Away {
            place.orders = None;
        }
        drop(state);
        self.left.notify_waiters();
        true
    }

    /// Brings a fault about; how many sessions it reached.
    pub(crate) fn inject(&self, target: Target, injection: &Injection) -> usize {
        let mut state = self.lock();
        let door = injection.fault.is_at_the_door();
        // Nobody knows yet whose connection is refused before its setup.
        let everybody =
            matches!(target, Target::Each | Target::Future) || matches!(injection.fault, Fault::RefuseConnect(_));
        if everybody && injection.fault.is_event() {
            state.planned.push(PlannedFault { injection: injection.clone(), after: Duration::ZERO });
        } else if everybody {
            state.standing.add(injection.clone());
        }
        let newest = state.newest;
        let is_meant = |session: usize| match target {
            Target::Newest => newest == Some(session) && !everybody,
            Target::Session(id) => id == session && !everybody,
            // What stands at the door meets every session there anyway.
            Target::Each => !door,
            Target::Future => false,
        };
        let meant = state.places.iter_mut().enumerate().filter(|(session, _)| is_meant(*session));
        meant.filter_map(|(_, place)| place.inject(injection).then_some(())).count()
    }

    /// All is well again, everywhere, except for what has happened already.
    pub(crate) fn clear_faults(&self) {
        let mut state = self.lock();
        state.standing.clear();
        state.planned.clear();
        for place in &mut state.places {
            place.switches.clear();
            place.at_the_door.clear();
            if let Some(orders) = &place.orders {
                // A connection that has just ended needs no telling.
                let _ = orders.send(Order::ClearFaults);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn inject(&mut self, injection: &Injection) -> bool {
        if injection.fault.is_at_the_door() {
            self.at_the_door.add(injection.clone());
            return true;
        }
        if self.presence == Presence::Away && !injection.fault.is_event() {
            self.switches.add(injection.clone());
            return true;
        }
        let order = Order::Inject(injection.clone());
        self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok())
    }
}

/// What the service says to a session that is still connected, or that comes back with another model.
fn internal_error() -> Refusal {
    Refusal::new(1011, "Internal error encountered.")
}

/// How a fault of the setup refuses it.
fn refusal_at_setup(fault: &Fault) -> Option<Refusal> {
    match fault {
        Fault::RefuseHandle => Some(Refusal::new(1007, "Invalid session handle")),
        Fault::CloseAtSetup { code, reason } => Some(Refusal::new(*code, reason.clone())),
        _ => None,
    }
}
