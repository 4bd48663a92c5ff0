//! TLS towards the services and of our listeners: one provider, the system's roots.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::TlsFiles;

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of ours.
    #[error("cannot use {path}: {why}")]
    File {
        /// Which.
        path: String,
        /// What was found.
        why: String,
    },
    /// The system trusts nobody.
    #[error("the system has no root certificates; install the package ca-certificates")]
    NoRoots,
    /// rustls refuses what it was given.
    #[error("TLS cannot be set up")]
    Rustls(#[from] rustls::Error),
}

/// TLS towards the services: the system's roots, and those of `extra` (PEM).
///
/// With an extra file the system's roots may be missing: a rehearsal on a bare machine.
pub fn client_tls(extra: Option<&std::path::Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = extra {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| bad_file(path, &error))?;
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// TLS of a listener of ours.
pub fn server_tls(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| bad_file(&files.key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                bad_file(&files.key, &format!("it is not the key of the certificate in {}", files.cert.display()))
            }
            error => bad_file(&files.cert, &error),
        })?;
    Ok(Arc::new(config))
}

fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| bad_file(path, &error))?;
    if certificates.is_empty() {
        return Err(bad_file(path, &"it holds no PEM certificate"));
    }
    Ok(certificates)
}

fn bad_file(path: &std::path::Path, why: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { path: path.display().to_string(), why: why.to_string() }
}
