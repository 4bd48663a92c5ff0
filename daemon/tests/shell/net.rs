//! Files for TLS that cannot be used.

use frontdeskd::config::TlsFiles;
use frontdeskd::net::{client_tls, server_tls};

use super::fakes::certificates;

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ours = certificates();
    let (cert, key) = (write("cert.pem", &ours.cert), write("key.pem", &ours.key));
    let foreign = write("foreign.pem", &certificates().key);
    let (empty, missing) = (write("empty.pem", ""), directory.path().join("missing.pem"));
    let broken = write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(server_tls(&TlsFiles { cert: cert.clone(), key: key.clone() }).is_ok());
    for (cert, key, named, why) in [
        (&missing, &key, "missing.pem", "No such file"),
        (&empty, &key, "empty.pem", "no PEM certificate"),
        (&key, &key, "key.pem", "no PEM certificate"),
        (&cert, &missing, "missing.pem", "No such file"),
        (&cert, &cert, "cert.pem", "no items"),
        (&cert, &foreign, "foreign.pem", "not the key of the certificate"),
        (&broken, &key, "broken.pem", "BadEncoding"),
    ] {
        let text = server_tls(&TlsFiles { cert: cert.clone(), key: key.clone() }).unwrap_err().to_string();
        assert!(text.contains(named) && text.contains(why), "{text:?}: {named}, {why}");
    }
    for (authority, why) in [(&missing, "No such file"), (&empty, "no PEM certificate"), (&broken, "BadEncoding")] {
        let text = client_tls(Some(authority)).unwrap_err().to_string();
        assert!(text.contains(authority.to_str().unwrap()) && text.contains(why), "{text}");
    }
}
