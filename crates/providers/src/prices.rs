//! The price table: `prices.toml`, with the date each price was read.
