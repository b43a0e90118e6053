//! Coefficients are libjpeg-turbo's: of every coding that it writes, of real files, and of broken ones.

mod support;

use convertfly_jpeg::{Coefficients, Limits};
use convertfly_jpeg_reference as reference;
use support::{Outcome, compare, corpus, fixtures, mutate};

#[test]
fn every_coding_gives_the_same_coefficients() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 100, "{}", fixtures.len());
    for (name, file) in &fixtures {
        assert_eq!(compare(file), Ok(Outcome::Equal), "{name}");
        assert!(Coefficients::read(file, &Limits::default()).expect("read").complete, "{name}");
    }
}

/// `CONVERTFLY_CORPUS` names a folder; without it there is nothing to see but generated files.
#[test]
fn real_files_give_the_same_coefficients() {
    for (path, file) in corpus() {
        let outcome = compare(&file).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        println!("{}: {outcome:?}", path.display());
    }
}

#[test]
fn broken_files_give_the_same_coefficients() {
    let wanted = std::env::var("CONVERTFLY_JPEG_MUTATED").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000);
    let fixtures: Vec<_> = fixtures().into_iter().filter(|(_, file)| file.len() < 6_000).collect();
    let mut random = fastrand::Rng::with_seed(7);
    let mut seen = std::collections::BTreeMap::<Outcome, usize>::new();
    for round in 0..wanted {
        let (name, file) = &fixtures[random.usize(..fixtures.len())];
        let file = mutate(file, &mut random);
        match compare(&file) {
            Ok(outcome) => *seen.entry(outcome).or_default() += 1,
            Err(problem) => {
                let kept = std::env::temp_dir().join("convertfly-jpeg-mutated.jpg");
                std::fs::write(&kept, &file).expect("it is kept");
                panic!("round {round}, from {name}: {problem}; kept as {}", kept.display());
            }
        }
    }
    println!("{seen:?}");
    let share = |outcome| seen.get(&outcome).copied().unwrap_or(0) as f64 / f64::from(wanted);
    assert!(share(Outcome::Equal) > 0.3, "most are read: {seen:?}");
    assert!(share(Outcome::OursRefuses) < 0.02, "what libjpeg reads is read here: {seen:?}");
}

#[test]
fn files_that_stop_anywhere_give_the_same_coefficients() {
    let fixtures = fixtures();
    for wanted in ["grey-progressive", "420-baseline", "420-restart"] {
        let (name, file) = fixtures.iter().find(|(name, _)| name.starts_with(wanted)).expect(wanted);
        for length in (0..file.len()).step_by(1 + file.len() / 150) {
            let outcome = compare(&file[..length]);
            assert!(matches!(outcome, Ok(Outcome::Equal | Outcome::BothRefuse)), "{name} up to {length}: {outcome:?}");
        }
    }
}

/// In such a place libjpeg-turbo 3.1 leaves coefficients that it has read by mistake; nobody needs to do that, too.
#[test]
fn fill_bytes_within_data_are_refused() {
    let fixtures = fixtures();
    let (_, file) = fixtures.iter().find(|(name, _)| name.starts_with("420-baseline")).expect("it is there");
    let scan = file.windows(2).position(|pair| pair == [0xff, 0xda]).expect("a scan");
    let at = scan + file[scan..].windows(2).position(|pair| pair == [0xff, 0]).expect("a stuffed byte");
    let mut filled = file.clone();
    filled.insert(at, 0xff);
    let refusal = Coefficients::read(&filled, &Limits::default()).expect_err("fill bytes");
    assert!(refusal.to_string().contains("fill bytes"), "{refusal}");
}

#[test]
fn floods_are_refused_at_the_header() {
    let small = reference::encode(&[0; 64 * 64], &support::settings(64, 64, 1)).expect("written");
    let at = small.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame") + 5;
    let mut flood = small;
    flood[at..at + 4].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let refusal = Coefficients::header(&flood, &Limits::default()).expect_err("56,540 by 56,540");
    assert!(refusal.to_string().contains("more pixels"), "{refusal}");
}
