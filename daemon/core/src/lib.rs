//! What Frontdesk decides.
