//! What all connections are made of: byte streams, TLS, `WebSocket`s that never wait, and who of several has called.

pub mod bell;
mod renewal;
pub mod socket;
mod stream;
mod tls;

pub use renewal::RenewedTls;
pub use stream::Stream;
pub use tls::{TlsError, client_tls, server_tls};
