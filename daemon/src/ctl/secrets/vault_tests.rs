use super::*;

const ID: &str = "3d1219c7c4c5404aaa1f6d2a48adfda4\n";

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn nothing_is_encrypted_before_the_machine_id_is_settled() {
    assert_eq!(settled(ID, "28 1 0:24 / / rw - ext4 /dev/mmcblk0p2 rw"), Ok(()));
    for (id, said) in [("", "no machine id yet"), ("uninitialized\n", "no machine id yet"), ("0815", "broken")] {
        let why = settled(id, "").unwrap_err();
        assert!(why.contains(said), "{why}");
    }
    let mounted = |kind| format!("45 28 0:38 /machine-id /etc/machine-id rw,relatime - {kind} {kind} rw");
    assert!(settled(ID, &mounted("tmpfs")).unwrap_err().contains("only until the next start"));
    assert_eq!(settled(ID, &mounted("ext4")), Ok(()), "a data partition keeps it");
}

#[test]
fn the_last_setting_of_a_name_holds() {
    let unit = "[Service]\nLoadCredential=admin-token\nLoadCredential=smtp-password:/srv/smtp\n";
    let drop_in = "[Service]\nLoadCredentialEncrypted=admin-token\n";
    assert!(passes(&texts(&[unit]), "admin-token", false, 252));
    assert!(!passes(&texts(&[unit]), "admin-token", true, 252), "a plain setting reads no encrypted file");
    assert!(passes(&texts(&[unit, drop_in]), "admin-token", true, 252));
    assert!(!passes(&texts(&[unit, drop_in]), "admin-token", false, 252));
    assert!(!passes(&texts(&[unit]), "smtp-password", false, 252), "it is read from elsewhere");
    let import = texts(&[unit, "ImportCredential=admin-*\n"]);
    assert!(!passes(&import, "admin-token", true, 252), "what it does not know, it passes over");
    assert!(passes(&import, "admin-token", true, 254));
}

/// The root of a machine that is being made.
#[test]
fn an_images_secrets_are_files_of_root_alone_and_are_removed_whole() {
    let root = tempfile::tempdir().unwrap();
    let vault = Vault::below(root.path());
    let cipher = vault.cipher().unwrap();
    assert!(matches!(cipher, Cipher::Plain(_)));
    let known = known::find("twilio-auth-token").unwrap();
    let secret = known.read("0123456789abcdef0123456789abcdef").unwrap();
    let plan = vault.plan(known, &secret, &cipher).unwrap();
    files::commit(&plan.files).unwrap();
    let [kept] = &vault.list().unwrap()[..] else { panic!("one") };
    assert_eq!((kept.encrypted, kept.mode, kept.passed), (false, 0o600, None));
    assert_eq!(Vault::open(kept).unwrap().unwrap(), secret);
    fs::write(&kept.path, "0123\n").unwrap();
    assert!(Vault::open(kept).unwrap().is_err(), "it is no token any more");
    assert_eq!(vault.remove(known).unwrap().len(), 1);
    assert_eq!(vault.list().unwrap(), []);
}

/// With the real program, where it can be run: what it makes, it opens again under the same name and under no other.
#[test]
fn what_is_encrypted_is_opened_under_its_own_name_alone() {
    let machine = Vault::below(Path::new("/"));
    if !crate::ctl::local::is_root() || machine.cipher() != Ok(Cipher::Host) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let vault = Vault::below(root.path());
    let unit = root.path().join("usr/lib/systemd/system/frontdeskd.service");
    fs::create_dir_all(unit.parent().unwrap()).unwrap();
    fs::write(&unit, "[Service]\nLoadCredential=smtp-password\n").unwrap();
    let known = known::find("smtp-password").unwrap();
    let secret = known.read("correct horse").unwrap();
    let plan = vault.plan(known, &secret, &Cipher::Host).unwrap();
    assert_eq!(plan.files.len(), 2, "and a drop-in, since the unit reads only plain ones: {plan:?}");
    files::commit(&plan.files).unwrap();
    let kept = vault.list().unwrap();
    assert!(kept[0].encrypted && kept[0].passed == Some(true), "{kept:?}");
    assert!(!fs::read_to_string(&kept[0].path).unwrap().contains("correct"));
    assert_eq!(Vault::open(&kept[0]).unwrap().unwrap(), secret);
    assert!(matches!(decrypt("admin-token", &kept[0].path), Err(SecretsError::Creds { .. })));
    assert_eq!(vault.remove(known).unwrap().len(), 2);

    let generator = root.path().join(GENERATOR);
    fs::create_dir_all(generator.parent().unwrap()).unwrap();
    fs::write(generator, "").unwrap();
    let plan = vault.plan(known, &secret, &Cipher::Host).unwrap();
    assert_eq!(plan.files.len(), 1, "the unit is told by the generator: {plan:?}");
    files::commit(&plan.files).unwrap();
    assert_eq!(vault.list().unwrap()[0].passed, Some(true));
}
