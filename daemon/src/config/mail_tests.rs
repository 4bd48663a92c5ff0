//! `[mail]`, as a technician writes it and gets it wrong.

use super::super::complaint::Complaints;
use super::super::file;
use super::*;

/// What becomes of the section: the configuration, or complaints without the file's name.
fn read(keys: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<MailConfig, Vec<String>> {
    let mut out = Complaints::default();
    let file = Path::new("config.toml");
    let mut tables = file::parse(file, &format!("[mail]\n{keys}"), &mut out);
    let section = Section::open(&mut tables, "mail", file, &mut out);
    let config = mail(section, Path::new("/var/lib/frontdesk"), Secrets::new(environment, &[]));
    let complaints: Vec<String> =
        out.errors.iter().map(|complaint| complaint.to_string().replacen("config.toml:", "", 1)).collect();
    config.filter(|_| complaints.is_empty()).ok_or(complaints)
}

fn without_password(keys: &str) -> Result<MailConfig, Vec<String>> {
    read(keys, &|_| None)
}

fn with_password(keys: &str) -> Result<MailConfig, Vec<String>> {
    read(keys, &|name| (name == "SMTP_PASSWORD").then(|| "made-up".to_owned()))
}

const SERVER: &str = "backend = \"smtp\"\nfrom = \"desk@clinic.example\"\nsmtp_host = \"mail.example.org\"\n";

#[test]
fn nothing_needs_to_be_written_for_letters_to_be_kept_as_files() {
    let config = without_password("").unwrap();
    assert_eq!(config.backend, MailBackend::Folder { path: "/var/lib/frontdesk/outbox".into(), keep_days: 30 });
    assert_eq!(config.from.as_str(), "frontdesk@clinic.invalid");
    assert_eq!((config.reply_to, config.staff, config.templates), (None, None, None));
}

#[test]
fn a_server_has_the_port_of_its_security() {
    for (security, port) in [("", 465), ("smtp_security = \"tls\"", 465), ("smtp_security = \"starttls\"", 587)] {
        let MailBackend::Smtp(server) = without_password(&format!("{SERVER}{security}")).unwrap().backend else {
            panic!("a server")
        };
        assert_eq!((&*server.host, server.port, server.login), ("mail.example.org", port, None));
    }
    let MailBackend::Smtp(server) =
        with_password(&format!("{SERVER}smtp_user = \"desk\"\nsmtp_port = 2525")).unwrap().backend
    else {
        panic!("a server")
    };
    assert_eq!((server.port, server.login), (2525, Some(("desk".to_owned(), Secret::new("made-up")))));
}

#[test]
fn a_server_needs_an_address_a_name_and_the_accounts_password() {
    assert_eq!(
        without_password("backend = \"smtp\"").unwrap_err(),
        [
            " [mail] from is missing: write the address that the clinic's mail comes from",
            " [mail] smtp_host is missing: write the name of the server that takes the clinic's mail",
        ]
    );
    let said = without_password(&format!("{SERVER}smtp_user = \"desk\"")).unwrap_err();
    assert!(said[0].starts_with("no systemd credential smtp-password"), "{said:?}");
    let unused = "smtp_user = \"desk\"\nsmtp_host = \"mail.example.org\"";
    assert!(without_password(unused).is_ok(), "without the server nobody asks for its password");
}

#[test]
fn gmail_needs_the_address_that_letters_come_from_and_no_server() {
    let config = without_password("backend = \"gmail\"\nfrom = \"desk@clinic.example\"").unwrap();
    assert_eq!((config.backend, config.from.as_str()), (MailBackend::Gmail, "desk@clinic.example"));
    assert_eq!(
        without_password("backend = \"gmail\"").unwrap_err(),
        [" [mail] from is missing: write the address that the clinic's mail comes from"]
    );
}

#[test]
fn gmail_needs_an_account_with_a_mailbox() {
    let mail = without_password("backend = \"gmail\"\nfrom = \"desk@clinic.example\"").unwrap();
    let complaints = |mail: &MailConfig, login: Option<GoogleLogin>| {
        let (mut out, token_file) = (Complaints::default(), PathBuf::new());
        has_mailbox(mail, &GoogleConfig { endpoint: None, login, token_file }, None, &mut out);
        assert!(out.advice.is_empty() || out.errors.is_empty());
        out.errors.iter().chain(&out.advice).map(ToString::to_string).collect::<Vec<_>>()
    };
    let service = |delegate: Option<&str>| GoogleLogin::Service {
        key: Secret::new("made-up"),
        delegate: delegate.map(|address| MailAddress::parse(address).unwrap()),
        drafts: false,
    };
    let remedy = "choose [google] login, as docs/google.md explains";
    assert_eq!(complaints(&mail, None), [format!("[mail] backend = \"gmail\" needs an account: {remedy}")]);
    assert!(complaints(&mail, Some(service(None)))[0].contains("a service account has none"));
    assert_eq!(complaints(&mail, Some(service(Some("Desk@clinic.example")))), [""; 0]);
    let other = complaints(&mail, Some(service(Some("office@clinic.example"))));
    let told = "[mail] from is not the mailbox of [google] delegate: write that mailbox";
    assert!(other[0].contains(told) && !other[0].contains("@clinic"), "{other:?}");
    assert_eq!(complaints(&without_password("").unwrap(), None), [""; 0], "letters are files");
}

#[test]
fn letters_are_kept_as_long_as_is_written() {
    for (written, days) in [("keep_days = 0", 0), ("keep_days = 3650", 3_650)] {
        let MailBackend::Folder { keep_days, .. } = without_password(written).unwrap().backend else {
            panic!("a folder")
        };
        assert_eq!(keep_days, days);
    }
    let said = without_password("keep_days = 3651").unwrap_err();
    assert_eq!(said, ["2: [mail] keep_days = 3651: choose a whole number from 0 to 3650"]);
}

#[test]
fn letters_do_not_cross_a_network_in_the_open() {
    let said = without_password(&format!("{SERVER}smtp_security = \"none\"")).unwrap_err();
    assert!(said[0].starts_with("5: [mail] smtp_security = \"none\" is for a server on this machine: "), "{said:?}");
    let local = SERVER.replace("mail.example.org", "127.0.0.1");
    assert!(without_password(&format!("{local}smtp_security = \"none\"")).is_ok());
}

#[test]
fn what_will_not_do_is_explained_and_addresses_are_not_repeated() {
    let said = without_password(
        "backend = \"sendmail\"\nfrom = \"desk@clinic\"\nstaff = \"Ana <ana@example.org>\"\noutbox_dir = \"outbox\"\n\
         smtp_host = \"mail.example.org/x\"\nsmtp_port = 70000\nsmtp_security = \"ssl\"\nsmtp_password = \"x\"\n",
    )
    .unwrap_err();
    for (complaint, start) in said.iter().zip([
        "2: [mail] backend = \"sendmail\": choose \"file\", \"smtp\" or \"gmail\"",
        "3: [mail] from has a value that will not do: after the @ stands a domain such as example.org",
        "4: [mail] staff has a value that will not do: before the @ stand 1 to 64 letters",
        "5: [mail] outbox_dir = \"outbox\": write an absolute path to a folder",
        "6: [mail] smtp_host = \"mail.example.org/x\": write a server's name such as",
        "8: [mail] smtp_security = \"ssl\": choose \"tls\", \"starttls\" or \"none\"",
        "7: [mail] smtp_port = 70000: choose a whole number from 1 to 65535",
        "9: [mail] smtp_password is not a known key: secrets are not kept in this file",
    ]) {
        assert!(complaint.starts_with(start), "{complaint}\nis not\n{start}");
    }
    assert_eq!(said.len(), 8, "{said:#?}");
}

#[test]
fn a_wrong_template_is_found_before_a_patient_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("de")).unwrap();
    std::fs::write(folder.path().join("de/reminder.txt"), "Subject: x\n\n{{ pateint }}").unwrap();
    let keys = format!("templates = '{}'", folder.path().display());
    let said = without_password(&keys).unwrap_err();
    let start = format!("2: [mail] templates {}/de/reminder.txt:3: uses a placeholder", folder.path().display());
    assert!(said[0].starts_with(&start) && said[0].contains("practitioner"), "{said:?}");
    std::fs::remove_file(folder.path().join("de/reminder.txt")).unwrap();
    assert_eq!(without_password(&keys).unwrap().templates.as_deref(), Some(folder.path()));
}
