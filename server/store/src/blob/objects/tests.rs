//! What uploads promise to whoever sends them, over objects in memory.
