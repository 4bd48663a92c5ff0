//! A virtual speakerphone in a virtual room, for whoever has none on the desk.
