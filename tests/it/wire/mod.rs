//! Both edges over real sockets, on a real database and real keys.

mod calls;
mod failures;
mod house;
mod http;
mod operators;

use house::House;
