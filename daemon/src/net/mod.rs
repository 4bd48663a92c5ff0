//! What all connections are made of: byte streams, TLS, `WebSocket`s that never wait, who of several has called,
//! and for how long a server wants to be left alone.

pub mod bell;
mod patience;
mod renewal;
pub mod socket;
mod stream;
mod tls;

pub use patience::retry_after;
pub use renewal::RenewedTls;
pub use stream::Stream;
pub use tls::{TlsError, client_tls, server_tls};
