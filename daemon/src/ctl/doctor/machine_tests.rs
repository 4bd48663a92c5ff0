use std::fs;

use super::*;
use crate::ctl::doctor::finding::Outcome;

/// A machine of files.
fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, System) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let system = System::below(root.path());
    (root, system)
}

fn only(findings: &[Finding]) -> &Finding {
    let [finding] = findings else { panic!("one: {findings:?}") };
    assert_eq!(finding.fix.is_some(), matches!(finding.outcome, Outcome::Advice | Outcome::Wrong), "{finding:?}");
    finding
}

#[test]
fn a_disk_is_judged_by_what_is_left() {
    let disk =
        |free, read_only| Ok(Disk { folder: "/var/lib/frontdesk".into(), free, inodes_free: Some(1 << 20), read_only });
    for (disk, outcome, said) in [
        (disk(20_000 * MB, false), Outcome::Ok, "20000 MB are free"),
        (disk(400 * MB, false), Outcome::Advice, "nearly full: 400 MB"),
        (disk(0, false), Outcome::Wrong, "is full: 0 MB"),
        (disk(20_000 * MB, true), Outcome::Wrong, "can only be read"),
        (Ok(Disk { inodes_free: Some(0), ..disk(900 * MB, false).unwrap() }), Outcome::Wrong, "takes no more files"),
    ] {
        let findings = judge_disk(&disk);
        assert!(only(&findings).outcome == outcome && findings[0].what.contains(said), "{findings:?}");
    }
    let here = look_at_disk(Path::new("/tmp/no/such/folder/frontdesk.db")).unwrap();
    assert!(here.folder == Path::new("/tmp") && here.free > 0, "{here:?}");
}

#[test]
fn a_card_tells_how_worn_it_is() {
    let card = |life_time, spare| {
        let files =
            [("sys/block/mmcblk0/device/life_time", life_time), ("sys/block/mmcblk0/device/pre_eol_info", spare)];
        let (_root, system) = machine(&files);
        judge_cards(&look_at_cards(&system))
    };
    for (life_time, spare, outcome, said) in [
        ("0x01 0x02\n", "0x01\n", Outcome::Ok, "at most 20 %"),
        ("0x01 0x09\n", "0x01\n", Outcome::Advice, "90 % of the life of mmcblk0"),
        ("0x01 0x01\n", "0x02\n", Outcome::Advice, "spare blocks"),
        ("0x0b 0x01\n", "0x01\n", Outcome::Wrong, "worn out"),
        ("0x01 0x01\n", "0x03\n", Outcome::Wrong, "worn out"),
        ("0x00 0x00\n", "0x00\n", Outcome::Skipped, "does not tell"),
    ] {
        let findings = card(life_time, spare);
        assert!(only(&findings).outcome == outcome && findings[0].what.contains(said), "{life_time}: {findings:?}");
    }
    let (_root, system) =
        machine(&[("sys/fs/ext4/mmcblk0p2/errors_count", "3\n"), ("sys/fs/ext4/sda1/errors_count", "0\n")]);
    let findings = judge_cards(&look_at_cards(&system));
    assert!(only(&findings).what.contains("mmcblk0p2 has recorded 3 errors"), "{findings:?}");
}

#[test]
fn memory_is_left_or_not() {
    let memory = |available_kb: u64, killed: u32| {
        let meminfo = format!("MemTotal:        1900000 kB\nMemFree: 1 kB\nMemAvailable:    {available_kb} kB\n");
        let vmstat = format!("nr_free_pages 1\noom_kill {killed}\n");
        let (_root, system) = machine(&[("proc/meminfo", &meminfo), ("proc/vmstat", &vmstat)]);
        judge_memory(look_at_memory(&system).as_ref())
    };
    for (available, killed, outcome, said) in [
        (1_000_000, 0, Outcome::Ok, "1024 of 1945 MB"),
        (100_000, 0, Outcome::Advice, "little memory"),
        (20_000, 2, Outcome::Wrong, "hardly any memory"),
        (1_000_000, 1, Outcome::Advice, "1 program was ended"),
    ] {
        let findings = memory(available, killed);
        assert!(only(&findings).outcome == outcome && findings[0].what.contains(said), "{findings:?}");
    }
}

#[tokio::test]
async fn heat_and_a_weak_supply_are_told_apart() {
    let firmware = "sys/devices/platform/soc/soc:firmware/get_throttled";
    for (temp, throttled, outcome, said) in [
        ("48500", "0", Outcome::Ok, "48 °C"),
        ("76000", "0", Outcome::Advice, "is hot (76 °C)"),
        ("85000", "e0008", Outcome::Wrong, "too hot"),
        ("48000", "50005", Outcome::Wrong, "too weak just now"),
        ("48000", "50000", Outcome::Advice, "too weak at times"),
    ] {
        let (_root, system) = machine(&[("sys/class/thermal/thermal_zone0/temp", temp), (firmware, throttled)]);
        let findings = judge_heat(&look_at_heat(&system).await);
        let found = findings.iter().any(|finding| finding.outcome == outcome && finding.what.contains(said));
        assert!(found, "{temp} {throttled}: {findings:?}");
    }
    assert_eq!(judge_heat(&Heat::default())[0].outcome, Outcome::Skipped);
}

#[test]
fn a_journal_says_how_large_it_is() {
    let said = |size| format!("Archived and active journals take up {size} in the file system.");
    assert_eq!(journal_bytes(&said("24.0M")), Some(25_165_824));
    assert_eq!(journal_bytes(&said("0B")), Some(0));
    assert_eq!(only(&judge_journal(&Ok(journal_bytes(&said("2.5G")).unwrap()))).outcome, Outcome::Advice);
    assert_eq!(judge_journal(&Err(NoWord::NoProgram))[0].outcome, Outcome::Skipped);
}
