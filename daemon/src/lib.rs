//! What Frontdesk does.
