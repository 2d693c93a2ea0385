//! The databases and object stores that tests stand on.
