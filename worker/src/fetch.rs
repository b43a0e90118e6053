//! The only outbound client; the address guard.
