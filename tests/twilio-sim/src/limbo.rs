//! Sockets whose far end "vanished": kept open and untouched until the simulator stops.

use std::sync::{Mutex, PoisonError};

use crate::stream::Socket;

/// Holds half-open sockets, because dropping one would tell the server that it is gone.
#[derive(Default)]
pub(crate) struct Limbo(Mutex<Vec<Socket>>);

impl Limbo {
    pub(crate) fn keep(&self, socket: Socket) {
        self.sockets().push(socket);
    }

    pub(crate) fn release(&self) {
        self.sockets().clear();
    }

    fn sockets(&self) -> std::sync::MutexGuard<'_, Vec<Socket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
