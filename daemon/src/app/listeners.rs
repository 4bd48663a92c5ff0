//! The doors of the daemon: the public listener, the admin listener, the control socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use log::{info, warn};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::config::Config;
use crate::doors::{Door, Shut};
use crate::http::admin::{self, AdminState};
use crate::http::auth::AdminAuth;
use crate::http::control::{self, ControlFile};
use crate::http::public;
use crate::http::serve::{Acceptor, Limits, serve};
use crate::logging::{self, Event};
use crate::net::RenewedTls;
use crate::phone::line::PhoneLine;
use crate::supervise::Supervisor;

/// How often an address that cannot be had is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// What the listeners were given to serve with.
pub(super) struct Tls {
    pub(super) public: Option<Arc<RenewedTls>>,
    pub(super) admin: Option<Arc<RenewedTls>>,
}

/// Where the doors are, the network's with their real ports.
pub(super) struct Doors {
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) control: Option<ControlFile>,
}

/// Opens the doors and begins to serve at them. What is not open yet is in `shut`, and tried again. Without the control
/// socket the daemon does its work all the same.
pub(super) async fn open(
    config: &Config,
    line: &Arc<PhoneLine>,
    state: AdminState,
    tls: Tls,
    shut: &Arc<Shut>,
    supervisor: &mut Supervisor,
) -> Result<Doors, AppError> {
    let public = find(Door::Public, config.phone.listen, shut).await?;
    let admin = find(Door::Admin, config.admin.listen, shut).await?;
    let doors = (public.address, admin.address);
    if public.listener.is_some() {
        info!("listening for Twilio on {} as {}", doors.0, config.phone.public_url);
    }
    if admin.listener.is_some() {
        info!("listening for people on {}", doors.1);
    }
    let router = public::router(Arc::clone(line));
    supervisor
        .start("public listener", |stop| public.serve(tls.public, router, Limits::PUBLIC, Arc::clone(shut), stop));
    let router = admin::router(state.clone(), AdminAuth::of(&config.admin, admin.address));
    supervisor.start("admin listener", |stop| admin.serve(tls.admin, router, Limits::PEOPLE, Arc::clone(shut), stop));
    let control = match control::bind(&config.control.socket) {
        Ok((listener, file)) => {
            let router = control::router(state, &file);
            supervisor
                .start("control socket", move |stop| serve(Acceptor::Unix(listener), router, Limits::PEOPLE, stop));
            Some(file)
        }
        Err(error) => {
            warn!("{}", logging::chain(&error));
            None
        }
    };
    Ok(Doors { public: doors.0, admin: doors.1, control })
}

/// A door, and its listener unless it must be waited for.
struct Found {
    door: Door,
    address: SocketAddr,
    listener: Option<TcpListener>,
}

async fn find(door: Door, address: SocketAddr, shut: &Shut) -> Result<Found, AppError> {
    let bound = TcpListener::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match bound {
        Ok((address, listener)) => Ok(Found { door, address, listener: Some(listener) }),
        Err(source) if door.may_come_later(source.kind()) => {
            let error = AppError::Listen { section: door.section(), address, source };
            warn!(event:% = Event::PortInUse; "{}; the rest of the daemon works, and this is tried again every {AGAIN:?}", logging::chain(&error));
            shut.add(door, address);
            Ok(Found { door, address, listener: None })
        }
        Err(source) => Err(AppError::Listen { section: door.section(), address, source }),
    }
}

impl Found {
    /// Serves once there is a listener.
    async fn serve(
        self,
        tls: Option<Arc<RenewedTls>>,
        router: Router,
        limits: Limits,
        shut: Arc<Shut>,
        stop: CancellationToken,
    ) {
        let listener = match self.listener {
            Some(listener) => Some(listener),
            None => stop.run_until_cancelled(wait_for(self.door, self.address, &shut)).await,
        };
        if let Some(listener) = listener {
            serve(Acceptor::Tcp(listener, tls), router, limits, stop).await;
        }
    }
}

async fn wait_for(door: Door, address: SocketAddr, shut: &Shut) -> TcpListener {
    loop {
        tokio::time::sleep(AGAIN).await;
        if let Ok(listener) = TcpListener::bind(address).await {
            shut.remove(door);
            info!(event:% = Event::PortFree; "listening for {} on {address}, at last", door.serves());
            return listener;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_keeps_people_out_and_the_daemon_from_starting_without_a_phone() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let shut = Arc::new(Shut::default());
        let refused = find(Door::Public, address, &shut).await.err().unwrap();
        let said = refused.to_string();
        assert!(said.contains(&address.to_string()) && said.contains("[phone] listen"), "{said}");
        assert_eq!(shut.doors(), []);

        let door = find(Door::Admin, address, &shut).await.unwrap();
        assert!(door.listener.is_none());
        assert_eq!(shut.doors(), [(Door::Admin, address)]);
        drop(taken);
        wait_for(Door::Admin, address, &shut).await;
        assert_eq!(shut.doors(), []);
    }

    /// 192.0.2.0/24 is nobody's: as an address of a network that is not up.
    #[tokio::test]
    async fn an_address_that_comes_with_the_network_is_waited_for() {
        let shut = Shut::default();
        let address = "192.0.2.1:8091".parse().unwrap();
        assert!(find(Door::Public, address, &shut).await.unwrap().listener.is_none());
        assert_eq!(shut.doors(), [(Door::Public, address)]);
    }
}
