//! libasound's messages, where nobody may write: it prints to the standard error, or, with the crate's own handler, to a
//! buffer that grows with every message.

use std::ffi::{c_char, c_int};

/// Drops every message that libasound has from now on for the calling thread: the error numbers say enough. Allocates
/// nothing and writes nothing, when it is called and afterwards.
#[expect(unsafe_code, reason = "the crate's only safe handler collects the messages on the heap")]
pub fn drop_messages() {
    // SAFETY: the handler is of the type that libasound declares, lives as long as the process, and touches none of its
    // arguments. libasound keeps it for the calling thread alone.
    unsafe { alsa_sys::snd_lib_error_set_local(Some(drop_message)) };
}

#[expect(unsafe_code, reason = "the type that libasound calls is an unsafe one")]
unsafe extern "C" fn drop_message(
    _file: *const c_char,
    _line: c_int,
    _function: *const c_char,
    _error: c_int,
    _format: *const c_char,
    _arguments: *mut alsa_sys::__va_list_tag,
) {
}
