//! What a real-time thread asks of the system: a place before the others, and memory that is there. Neither is granted
//! everywhere, and sound without them beats no sound.

use crate::pcm::port::Errno;

/// Priority of the audio thread. Stock kernels: above every normal thread. `PREEMPT_RT`: below the interrupt threads (50),
/// which bring it its sound.
pub const AUDIO: u8 = 20;

/// What was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// `SCHED_FIFO` at this priority.
    Fifo(u8),
    /// Refused, for this reason: the thread competes with all others.
    Normal(Errno),
}

/// As a remark for a person, with what to do about it.
impl std::fmt::Display for Priority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fifo(priority) => write!(out, "real-time priority {priority}"),
            Self::Normal(errno) => write!(
                out,
                "no real-time priority ({errno}), so that sound may stutter under load: allow it in the service's unit \
                 (LimitRTPRIO=, and no RestrictRealtime=)"
            ),
        }
    }
}

/// Asks for `SCHED_FIFO` for the calling thread and for none of its children. What `LimitRTPRIO=` allows less of is taken;
/// when nothing is granted, a better nice value is tried.
pub fn ask(wanted: u8) -> Priority {
    let refused = match fifo(wanted) {
        Ok(()) => return Priority::Fifo(wanted),
        Err(errno) => errno,
    };
    let limit = allowed();
    if (1..wanted).contains(&limit) && fifo(limit).is_ok() {
        return Priority::Fifo(limit);
    }
    nicer();
    Priority::Normal(refused)
}

/// A place before the others that the calling thread has for a while, and that threads which it starts meanwhile keep:
/// plugins of ALSA's (a sound server's client) carry the sound on threads of their own, started while they are opened.
/// Given back when this is dropped.
pub struct Lent(());

impl Lent {
    /// Just below the audio thread. `None` where it is not granted; then those threads compete with all others.
    pub fn ask() -> Option<Self> {
        policy(libc::SCHED_FIFO, AUDIO - 1).ok().map(|()| Self(()))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Going back to where every thread may be is never refused.
        let _ = policy(libc::SCHED_OTHER, 0);
    }
}

fn fifo(priority: u8) -> Result<(), Errno> {
    policy(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, priority)
}

#[expect(unsafe_code, reason = "no safe wrapper sets a single thread's policy")]
fn policy(policy: libc::c_int, priority: u8) -> Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority: priority.into() };
    // SAFETY: the pointer is to a live local that the call only reads; 0 names the calling thread.
    let answer = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if answer == 0 { Ok(()) } else { Err(last()) }
}

#[expect(unsafe_code, reason = "no safe wrapper reads RLIMIT_RTPRIO without one more feature")]
fn allowed() -> u8 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live local that the call writes.
    let answer = unsafe { libc::getrlimit(libc::RLIMIT_RTPRIO, &raw mut limit) };
    if answer == 0 { limit.rlim_cur.min(99) as u8 } else { 0 }
}

#[expect(unsafe_code, reason = "no safe wrapper without one more feature")]
fn nicer() {
    // SAFETY: no memory is involved; 0 names the calling thread on Linux.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -11) };
}

fn last() -> Errno {
    Errno::of(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Stack that the thread may use without a page fault.
const STACK: usize = 64 * 1024;

/// Touches the calling thread's stack below its present depth and keeps it in memory, if the limit allows.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "the stack is the point")]
pub fn hold_stack() {
    let mut stack = [0u8; STACK];
    for page in stack.chunks_mut(4096) {
        if let Some(first) = page.first_mut() {
            *first = 1;
        }
    }
    hold(&*std::hint::black_box(&mut stack));
}

/// Keeps a value's memory from being paged out, if the limit on locked memory allows; otherwise nothing happens.
#[expect(unsafe_code, reason = "locking memory is a promise about addresses")]
pub fn hold<T: ?Sized>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<libc::c_void>();
    // SAFETY: the range is that of a live value. Locking changes neither its content nor who may use it, and a lock that
    // outlives the value holds pages of the allocator or of the stack, which is harmless.
    unsafe { libc::mlock(start, size_of_val(value)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "no safe wrapper asks for a thread's policy")]
    fn a_place_that_was_lent_is_given_back() {
        // SAFETY: no memory is involved; 0 names the calling thread.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        let answers = std::thread::spawn(move || {
            let lent = Lent::ask().map(|_lent| policy());
            (lent, policy())
        });
        let (lent, after) = answers.join().unwrap();
        assert!(lent.is_none_or(|lent| lent == libc::SCHED_FIFO));
        assert_eq!(after, libc::SCHED_OTHER);
    }

    #[test]
    fn a_refusal_says_what_to_do_about_it() {
        let refused = Priority::Normal(Errno::of(libc::EPERM)).to_string();
        assert!(refused.starts_with("no real-time priority (") && refused.contains("LimitRTPRIO="), "{refused}");
    }

    #[test]
    fn a_thread_gets_a_priority_or_a_reason_and_goes_on() {
        let answer = std::thread::spawn(|| {
            hold_stack();
            ask(AUDIO)
        });
        match answer.join().unwrap() {
            Priority::Fifo(priority) => assert!((1..=AUDIO).contains(&priority)),
            Priority::Normal(errno) => assert_eq!(errno.number(), libc::EPERM, "{errno}"),
        }
    }
}
