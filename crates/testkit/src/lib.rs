//! A fleet of mock providers that speak every wire format, and scripted faults.
