//! Every route, in one list.
