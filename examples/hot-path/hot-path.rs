//! hot-path: which number of a range takes most steps to come down to 1, by "half it if it is even, else 3n + 1"?
//!
//!   hot-path             answers on stdout what is asked on stdin
//!   hot-path <socket>    answers whoever connects to that Unix socket
//!
//! A question is two numbers, the first and the last of the range; an answer is two numbers, which one and how many steps. Both
//! are 8 bytes, led by their length in 4, and all numbers have 4 bytes, the most significant first.
//!
//! Either way it ends when its stdin is closed: that is its side of the contract. hot-path.c does the same.
use std::io::{self, Read, Write};
use std::os::unix::net::UnixListener;
use std::{env, fs, process, thread};

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn steps(n: u32) -> u32 {
    let (mut at, mut steps) = (u64::from(n), 0);
    while at != 1 {
        at = if at % 2 == 0 { at / 2 } else { 3 * at + 1 };
        steps += 1;
    }
    steps
}

/// Answers until nobody asks any more. An error for what is no question.
fn answer_all(mut questions: impl Read, mut answers: impl Write) -> io::Result<()> {
    let mut packet = [0; 12];
    while questions.read_exact(&mut packet[..4]).is_ok() {
        if number(&packet) != 8 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        questions.read_exact(&mut packet[4..])?;
        let (first, last) = (number(&packet[4..]), number(&packet[8..]));
        let (mut best, mut most) = (0, 0);
        for n in first.max(1)..=last {
            let steps = steps(n);
            if steps > most || best == 0 {
                (best, most) = (n, steps);
            }
        }
        packet[4..8].copy_from_slice(&best.to_be_bytes());
        packet[8..].copy_from_slice(&most.to_be_bytes());
        // Who has asked waits for it.
        if answers.write_all(&packet).and_then(|()| answers.flush()).is_err() {
            break;
        }
    }
    Ok(())
}

fn serve(path: &str) -> io::Result<()> {
    // A predecessor that was killed has left its socket behind.
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    println!("listening, pid {}", process::id());
    for client in listener.incoming().flatten() {
        let _ = answer_all(&client, &client);
    }
    Ok(())
}

fn main() -> io::Result<()> {
    match env::args().nth(1) {
        Some(path) => serve(&path),
        None => answer_all(io::stdin().lock(), io::stdout().lock()),
    }
}
