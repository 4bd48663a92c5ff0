//! The way to a server, which can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A way to a server. While it is cut, a connection ends as soon as it is made, and so do those that there were.
pub(crate) struct Wire {
    /// Where it begins.
    pub(crate) address: SocketAddr,
    is_cut: Arc<watch::Sender<bool>>,
    carries: JoinHandle<()>,
}

impl Wire {
    /// A whole one that ends at that port of this machine.
    pub(crate) async fn to(port: u16) -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(local(0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_cut = Arc::new(watch::Sender::new(false));
        let cut = Arc::clone(&is_cut);
        let carries = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(client, local(port), cut.subscribe()));
            }
        });
        Self { address, is_cut, carries }
    }

    /// Cuts it.
    pub(crate) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// Makes it whole.
    pub(crate) fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.carries.abort();
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, mut is_cut: watch::Receiver<bool>) {
    let both = async {
        let mut server = TcpStream::connect(server).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        biased;
        _ = is_cut.wait_for(|cut| *cut) => {}
        // Whichever end has closed it: the other is closed too.
        _ = both => {}
    }
}
