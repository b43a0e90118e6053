//! What the scripts promise, in plain Rust: jobs, tasks, money and events, changed one call at a time.

use std::collections::{BTreeMap, BTreeSet};

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::graph;
use convertfly_scheduler::job::NewJob;
use convertfly_scheduler::store::{Lease, MAX_ATTEMPTS, MAX_LOSSES};
use convertfly_scheduler::task::TaskResult;
use convertfly_scheduler::task::TaskStatus::{self, Cancelled, Error, Finished, Processing, Waiting};

/// Where an unfinished task is listed: in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind inputs, or in a job that is not active.
    Blocked,
    Ready,
    Delayed,
    Leased,
    Upload,
}

#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) lane: Lane,
    pub(super) price: i64,
    pub(super) inputs: Vec<usize>,
    pub(super) next: Vec<usize>,
    pub(super) status: TaskStatus,
    pub(super) place: Place,
    /// Its lease, pause or upload has run out and waits for the reaper.
    pub(super) due: bool,
    pub(super) attempts: u32,
    pub(super) losses: u32,
    pub(super) run: u32,
    pub(super) fence: String,
    /// The fence of the commit that leased it, and to whom.
    pub(super) from: String,
    pub(super) worker: String,
    pub(super) uploads: bool,
    pub(super) arrived: bool,
    /// Its failure is no one else's (`ignore_error`).
    pub(super) ignore: bool,
    /// The task whose failure has cancelled it by `fail_fast`.
    pub(super) felled_by: Option<usize>,
    /// Key of its file.
    pub(super) result: String,
}

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) account: String,
    pub(super) tag: Option<String>,
    pub(super) fail_fast: bool,
    pub(super) tasks: Vec<Task>,
    pub(super) active: bool,
    pub(super) queued: bool,
    pub(super) run: u32,
    pub(super) credits: i64,
    /// Its files have expired.
    pub(super) gone: bool,
    pub(super) ended: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) balance: i64,
    pub(super) held: i64,
    pub(super) spent: i64,
    pub(super) active: u64,
    pub(super) max_active: u64,
    pub(super) max_waiting: u64,
    pub(super) queue: Vec<String>,
    pub(super) ledger: Vec<String>,
}

/// Everything that the store should hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) jobs: BTreeMap<String, Job>,
    /// Deleted ones, whose files are removed once more: `account/job`.
    pub(super) doomed: BTreeSet<String>,
    pub(super) events: Vec<String>,
    /// Every fence ever seen: none may come twice.
    pub(super) fences: BTreeSet<String>,
}

impl Task {
    /// Failed, and may.
    pub(super) fn is_pardoned(&self) -> bool {
        self.status == Error && self.ignore
    }

    /// Behind its inputs, or in a job that holds no slot: what else happens to its inputs still counts.
    pub(super) fn is_blocked(&self) -> bool {
        self.status == Waiting && self.place == Place::Blocked
    }
}

impl Job {
    pub(super) fn task(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }

    /// Uploads that are still awaited.
    pub(super) fn uploads(&self) -> usize {
        self.tasks.iter().filter(|task| task.place == Place::Upload && task.status == Waiting).count()
    }

    pub(super) fn left(&self) -> usize {
        self.tasks.iter().filter(|task| !task.status.is_terminal()).count()
    }

    /// Ends without success that the job cannot go on without.
    pub(super) fn failed(&self) -> usize {
        self.tasks.iter().filter(|task| matches!(task.status, Error | Cancelled) && !task.is_pardoned()).count()
    }

    /// Distinct inputs that are awaited: they have not finished, nor failed where that is allowed.
    pub(super) fn deps(&self, i: usize) -> usize {
        let inputs: BTreeSet<usize> = self.tasks[i].inputs.iter().copied().collect();
        inputs.into_iter().filter(|&input| self.tasks[input].status != Finished && !self.tasks[input].is_pardoned()).count()
    }

    /// Whether some input has delivered.
    fn has_input(&self, i: usize) -> bool {
        self.tasks[i].inputs.iter().any(|&input| self.tasks[input].status == Finished)
    }

    /// What a retry of task `i` runs again: it, what it has cancelled by `fail_fast`, and what fell behind any of these; but
    /// nothing that something else which has failed would leave waiting for ever.
    fn again(&self, i: usize) -> BTreeSet<usize> {
        let fallen = |t: usize| matches!(self.tasks[t].status, Error | Cancelled);
        let felled = |&t: &usize| self.fail_fast && fallen(t) && self.tasks[t].felled_by == Some(i);
        let mut again: BTreeSet<usize> = (0..self.tasks.len()).filter(felled).chain([i]).collect();
        while let Some(more) = (0..self.tasks.len())
            .find(|&t| !again.contains(&t) && fallen(t) && self.tasks[t].inputs.iter().any(|input| again.contains(input)))
        {
            again.insert(more);
        }
        while let Some(&hopeless) = again.iter().find(|&&t| {
            let lost = |&input: &usize| !again.contains(&input) && fallen(input) && !self.tasks[input].is_pardoned();
            t != i && ((self.tasks[t].uploads && !self.tasks[t].arrived) || self.tasks[t].inputs.iter().any(lost))
        }) {
            again.remove(&hopeless);
        }
        again
    }

    pub(super) fn status(&self) -> &'static str {
        match (self.ended, self.failed(), self.active) {
            (true, 0, _) => "FINISHED",
            (true, ..) => "ERROR",
            (false, _, true) => "PROCESSING",
            (false, _, false) => "WAITING",
        }
    }
}

impl Book {
    fn money(&mut self, kind: &str, amount: i64, job: &str, task: &str, run: u32) {
        if amount == 0 {
            return;
        }
        let record = self.jobs.get_mut(job).expect("the job is in the book");
        let account = self.accounts.get_mut(&record.account).expect("the account is in the book");
        match kind {
            "reserve" => {
                (account.balance, account.held) = (account.balance - amount, account.held + amount);
                record.credits += amount;
            }
            "settle" => (account.held, account.spent) = (account.held - amount, account.spent + amount),
            _ => {
                (account.balance, account.held) = (account.balance + amount, account.held - amount);
                record.credits -= amount;
            }
        }
        account.ledger.push(format!("{kind} {amount} {job} {task} {run}"));
    }

    fn event(&mut self, name: &str, job: &str, task: &str, run: u32) {
        self.events.push(format!("{name} {job} {task} {run}"));
    }

    pub(super) fn uploading(&self, account: &str) -> u64 {
        self.jobs.values().filter(|job| job.account == account).map(|job| job.uploads() as u64).sum()
    }

    pub(super) fn submit(&mut self, new: &NewJob) -> String {
        if self.jobs.contains_key(&new.id) {
            return "conflict".into();
        }
        let price: i64 = new.tasks.iter().map(|task| i64::from(task.credits)).sum();
        let uploads = new.tasks.iter().filter(|task| task.awaits_upload).count() as u64;
        let uploading = self.uploading(&new.account);
        let account = &self.accounts[&new.account];
        if account.balance < price {
            return format!("credits {price} {}", account.balance);
        }
        let waiting = account.queue.len() as u64 + uploading;
        if (uploads > 0 || account.active >= account.max_active) && waiting + uploads.max(1) > account.max_waiting {
            return "full".into();
        }
        let index = |name: &String| new.tasks.iter().position(|task| task.name == *name).expect("an input of the job");
        let tasks = new.tasks.iter().zip(graph::dependents(&new.tasks)).map(|(task, next)| Task {
            name: task.name.clone(),
            lane: task.lane,
            price: i64::from(task.credits),
            inputs: task.input.iter().map(index).collect(),
            next,
            status: Waiting,
            place: if task.awaits_upload { Place::Upload } else { Place::Blocked },
            due: false,
            attempts: 0,
            losses: 0,
            run: 0,
            fence: String::new(),
            from: String::new(),
            worker: String::new(),
            uploads: task.awaits_upload,
            arrived: false,
            ignore: task.ignore_error,
            felled_by: None,
            result: String::new(),
        });
        let (account, tag, fail_fast, tasks) = (new.account.clone(), new.tag.clone(), new.choices.fail_fast, tasks.collect());
        let job =
            Job { account, tag, fail_fast, tasks, active: false, queued: false, run: 0, credits: 0, gone: false, ended: false };
        self.jobs.insert(new.id.clone(), job);
        self.money("reserve", price, &new.id, "", 0);
        if uploads == 0 {
            self.queue(&new.id);
        }
        format!("ok {} {price} {}", self.jobs[&new.id].status(), self.accounts[&new.account].balance)
    }

    fn queue(&mut self, id: &str) {
        let job = self.jobs.get_mut(id).expect("in the book");
        let account = self.accounts.get_mut(&job.account).expect("in the book");
        if account.active < account.max_active {
            self.activate(id);
        } else {
            job.queued = true;
            account.queue.push(id.to_owned());
        }
    }

    fn activate(&mut self, id: &str) {
        let job = self.jobs.get_mut(id).expect("in the book");
        self.accounts.get_mut(&job.account).expect("in the book").active += 1;
        (job.active, job.queued) = (true, false);
        self.ready(id);
    }

    /// Lists what waits for nothing any more.
    fn ready(&mut self, id: &str) {
        let job = self.jobs.get_mut(id).expect("in the book");
        for i in 0..job.tasks.len() {
            if job.tasks[i].status == Waiting && job.tasks[i].place == Place::Blocked && job.deps(i) == 0 {
                job.tasks[i].place = Place::Ready;
            }
        }
    }

    fn start_waiting(&mut self, account: &str) {
        loop {
            let a = self.accounts.get_mut(account).expect("in the book");
            if a.active >= a.max_active || a.queue.is_empty() {
                return;
            }
            let id = a.queue.remove(0);
            self.activate(&id);
        }
    }

    /// After a change: the end of the job, or its start once its last upload is settled.
    fn settle(&mut self, id: &str) {
        let job = self.jobs.get_mut(id).expect("in the book");
        if job.left() == 0 {
            let name = if job.failed() == 0 { "job.finished" } else { "job.failed" };
            let (was_active, run, account) = (job.active, job.run, job.account.clone());
            (job.active, job.queued, job.ended) = (false, false, true);
            self.accounts.get_mut(&account).expect("in the book").queue.retain(|other| other != id);
            self.event(name, id, "", run);
            self.free_slot(&account, was_active);
        } else if !job.active && !job.queued && job.uploads() == 0 {
            self.queue(id);
        }
    }

    fn free_slot(&mut self, account: &str, was_active: bool) {
        if was_active {
            self.accounts.get_mut(account).expect("in the book").active -= 1;
            self.start_waiting(account);
        }
    }

    /// Ends one unfinished task without success. Says whether the job may go on without it.
    fn end(&mut self, id: &str, i: usize, status: TaskStatus) -> bool {
        let task = &mut self.jobs.get_mut(id).expect("in the book").tasks[i];
        (task.status, task.place, task.due) = (status, Place::Blocked, false);
        let (name, price, run, pardoned) = (task.name.clone(), task.price, task.run, task.is_pardoned());
        self.money("refund", price, id, &name, run);
        if status == Error {
            self.event("task.failed", id, &name, run);
        }
        pardoned
    }

    /// Ends a task without success, and what cannot do without it. Says whether any of that is a failure of the job's.
    fn fell(&mut self, id: &str, i: usize, status: TaskStatus) -> bool {
        let pardoned = self.end(id, i, status);
        let (mut stack, mut hard) = (vec![(i, pardoned)], !pardoned);
        while let Some((i, pardoned)) = stack.pop() {
            for d in self.jobs[id].tasks[i].next.clone() {
                let job = self.jobs.get_mut(id).expect("in the book");
                if job.tasks[d].status != Waiting {
                    continue;
                }
                if pardoned {
                    // One that is ready has long done without it.
                    if !job.tasks[d].is_blocked() || job.deps(d) > 0 {
                        continue;
                    }
                    if job.has_input(d) {
                        job.tasks[d].place = if job.active { Place::Ready } else { Place::Blocked };
                        continue;
                    }
                }
                let pardoned = self.end(id, d, status);
                hard |= !pardoned;
                stack.push((d, pardoned));
            }
        }
        hard
    }

    /// Fails a task, with all that follows.
    fn break_off(&mut self, id: &str, i: usize) {
        let hard = self.fell(id, i, Error);
        if hard && self.jobs[id].fail_fast {
            for other in 0..self.jobs[id].tasks.len() {
                if !self.jobs[id].tasks[other].status.is_terminal() {
                    self.end(id, other, Cancelled);
                    self.jobs.get_mut(id).expect("in the book").tasks[other].felled_by = Some(i);
                }
            }
        }
        self.settle(id);
    }

    pub(super) fn cancel(&mut self, id: &str, name: &str) -> String {
        let Some((job, i)) = self.jobs.get(id).and_then(|job| Some((job, job.task(name)?))) else { return "missing".into() };
        if job.tasks[i].status.is_terminal() {
            return "conflict".into();
        }
        self.fell(id, i, Cancelled);
        self.settle(id);
        "ok".into()
    }

    pub(super) fn delete(&mut self, id: &str) -> String {
        let Some(job) = self.jobs.get(id).cloned() else { return "missing".into() };
        for task in job.tasks.iter().filter(|task| !task.status.is_terminal()) {
            self.money("refund", task.price, id, &task.name, task.run);
        }
        self.jobs.remove(id);
        self.doomed.insert(format!("{}/{id}", job.account));
        self.accounts.get_mut(&job.account).expect("in the book").queue.retain(|other| other != id);
        self.free_slot(&job.account, job.active);
        "ok".into()
    }

    pub(super) fn retry(&mut self, id: &str, name: &str) -> String {
        let Some((job, i)) = self.jobs.get(id).and_then(|job| Some((job, job.task(name)?))) else { return "missing".into() };
        let task = &job.tasks[i];
        let unusable = !matches!(task.status, Error | Cancelled) || job.gone || (task.uploads && !task.arrived);
        let starved = !task.inputs.is_empty() && !job.has_input(i);
        if unusable || job.deps(i) > 0 || starved {
            return "conflict".into();
        }
        let again = job.again(i);
        let price: i64 = again.iter().map(|&i| job.tasks[i].price).sum();
        let account = &self.accounts[&job.account];
        if account.balance < price {
            return format!("credits {price} {}", account.balance);
        }
        let waiting = account.queue.len() as u64 + self.uploading(&job.account);
        if job.ended && account.active >= account.max_active && waiting + 1 > account.max_waiting {
            return "full".into();
        }
        let job = self.jobs.get_mut(id).expect("in the book");
        job.run += 1;
        for &i in &again {
            let (run, task) = (job.run, &mut job.tasks[i]);
            (task.status, task.place, task.run, task.felled_by) = (Waiting, Place::Blocked, run, None);
            (task.attempts, task.losses) = (0, 0);
            task.fence.clear();
        }
        let (run, ended, active) = (job.run, std::mem::replace(&mut job.ended, false), job.active);
        self.money("reserve", price, id, name, run);
        if ended {
            self.queue(id);
        } else if active {
            self.ready(id);
        }
        format!("ok {price}")
    }

    pub(super) fn arrive(&mut self, id: &str, name: &str) -> String {
        let Some((job, i)) = self.jobs.get_mut(id).and_then(|job| Some((job.task(name)?, job))).map(|(i, job)| (job, i)) else {
            return "missing".into();
        };
        let task = &mut job.tasks[i];
        if task.arrived || task.status != Waiting {
            return "conflict".into();
        }
        (task.arrived, task.place, task.due) = (true, Place::Blocked, false);
        self.settle(id);
        "ok".into()
    }

    /// The task of a lease that is still valid.
    fn held(&self, lease: &Lease) -> Option<usize> {
        let job = self.jobs.get(&lease.job)?;
        let i = job.task(&lease.spec.name)?;
        (job.tasks[i].status == Processing && job.tasks[i].fence == lease.fence).then_some(i)
    }

    pub(super) fn heartbeat(&mut self, lease: &Lease) -> String {
        let Some(i) = self.held(lease) else { return "lost".into() };
        self.jobs.get_mut(&lease.job).expect("in the book").tasks[i].due = false;
        "held".into()
    }

    pub(super) fn release(&mut self, lease: &Lease) {
        let Some(i) = self.held(lease) else { return };
        let task = &mut self.jobs.get_mut(&lease.job).expect("in the book").tasks[i];
        (task.status, task.place, task.due) = (Waiting, Place::Ready, false);
        task.fence.clear();
    }

    pub(super) fn fail(&mut self, lease: &Lease, retry: bool) -> String {
        let Some(i) = self.held(lease) else { return "stale".into() };
        let task = &mut self.jobs.get_mut(&lease.job).expect("in the book").tasks[i];
        task.attempts += 1;
        if retry && task.attempts < MAX_ATTEMPTS {
            (task.status, task.place, task.due) = (Waiting, Place::Delayed, false);
            task.fence.clear();
            return "requeued".into();
        }
        self.break_off(&lease.job, i);
        "ended".into()
    }

    /// The reply, and the successors that must come back leased.
    pub(super) fn finish(
        &mut self,
        worker: &str,
        lease: &Lease,
        lanes: &[Lane],
        made: &TaskResult,
    ) -> (String, Vec<(String, String)>) {
        let id = &lease.job;
        let Some((job, i)) = self.jobs.get_mut(id).and_then(|job| Some((job.task(&lease.spec.name)?, job))).map(|(i, j)| (j, i))
        else {
            return ("stale".into(), Vec::new());
        };
        if job.tasks[i].fence != lease.fence {
            return ("stale".into(), Vec::new());
        }
        if job.tasks[i].status == Finished {
            let again = job.tasks[i].next.iter().map(|&d| &job.tasks[d]);
            let ours = again.filter(|d| d.status == Processing && d.from == lease.fence && d.worker == worker);
            return ("already".into(), ours.map(|d| (id.clone(), d.name.clone())).collect());
        }
        if job.tasks[i].status != Processing {
            return ("stale".into(), Vec::new());
        }
        let task = &mut job.tasks[i];
        (task.status, task.place, task.due, task.result) = (Finished, Place::Blocked, false, made.files[0].key.clone());
        let (name, price, run) = (task.name.clone(), task.price, task.run);
        let next = task.next.clone();
        let ready: Vec<usize> = next.into_iter().filter(|&d| job.tasks[d].is_blocked() && job.deps(d) == 0).collect();
        // One for each slot that the worker names.
        let mut slots = lanes.to_vec();
        let mut continues = Vec::new();
        for &d in &ready {
            if let Some(slot) = slots.iter().position(|lane| *lane == job.tasks[d].lane) {
                slots.swap_remove(slot);
                continues.push((id.clone(), job.tasks[d].name.clone()));
            }
        }
        for d in ready {
            job.tasks[d].place = Place::Ready;
        }
        let charged = made.credits.map_or(price, |credits| price.min(i64::from(credits)));
        self.money("settle", charged, id, &name, run);
        self.money("refund", price - charged, id, &name, run);
        self.event("task.finished", id, &name, run);
        self.settle(id);
        ("ok".into(), continues)
    }

    /// Notes a lease that the store gave, after checking that it was due.
    pub(super) fn leased(&mut self, lease: &Lease, worker: &str, from: &str) {
        assert!(self.fences.insert(lease.fence.clone()), "the fence {} comes twice", lease.fence);
        let job = self.jobs.get_mut(&lease.job).expect("a lease of a job that exists");
        assert!(job.active, "a lease of a job that holds no slot");
        let i = job.task(&lease.spec.name).expect("a lease of a task that exists");
        let delivered = job.tasks[i].inputs.iter().map(|&input| &job.tasks[input]).filter(|input| input.status == Finished);
        let results: Vec<&str> = delivered.map(|input| input.result.as_str()).collect();
        let got: Vec<&str> = lease.inputs.iter().map(|file| file.key.as_str()).collect();
        assert_eq!(got, results, "the files of its inputs, in order");
        let task = &mut job.tasks[i];
        let renewed = task.place == Place::Leased && task.from == from && !from.is_empty();
        assert!(task.place == Place::Ready || renewed, "leased though it is {:?}: {task:?}", task.place);
        assert_eq!((lease.attempts, lease.losses), (task.attempts, task.losses), "the counters of {task:?}");
        assert_eq!(lease.upload.is_some(), task.uploads, "with its bytes");
        (task.status, task.place, task.due) = (Processing, Place::Leased, false);
        (task.fence, task.worker, task.from) = (lease.fence.clone(), worker.to_owned(), from.to_owned());
    }

    pub(super) fn ready_in(&self, lane: Lane) -> usize {
        let tasks = self.jobs.values().flat_map(|job| &job.tasks);
        tasks.filter(|task| task.place == Place::Ready && task.status == Waiting && task.lane == lane).count()
    }

    /// `requeued, lost, delayed, expired`.
    pub(super) fn reap(&mut self) -> [u64; 4] {
        let mut counts = [0; 4];
        for place in [Place::Leased, Place::Delayed, Place::Upload] {
            let due = |(id, job): (&String, &Job)| {
                let due = job.tasks.iter().enumerate().filter(|(_, task)| task.due && task.place == place);
                due.map(|(i, task)| (format!("{id}/{}", task.name), id.clone(), i)).collect::<Vec<_>>()
            };
            let mut due: Vec<_> = self.jobs.iter().flat_map(due).collect();
            due.sort();
            for (_, id, i) in due {
                let task = &mut self.jobs.get_mut(&id).expect("in the book").tasks[i];
                if !task.due || task.place != place {
                    continue;
                }
                task.due = false;
                match place {
                    Place::Leased => {
                        task.losses += 1;
                        if task.losses < MAX_LOSSES {
                            (task.status, task.place) = (Waiting, Place::Ready);
                            task.fence.clear();
                            counts[0] += 1;
                        } else {
                            self.break_off(&id, i);
                            counts[1] += 1;
                        }
                    }
                    Place::Delayed => {
                        task.place = Place::Ready;
                        counts[2] += 1;
                    }
                    _ => {
                        self.break_off(&id, i);
                        counts[3] += 1;
                    }
                }
            }
        }
        counts
    }
}
