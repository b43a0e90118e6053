// {socket, jobs, processes} on standard input -> {seconds, cpu_seconds, failed}: the jobs through BullMQ, by so many processes of sharp.
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';

const { socket, jobs, processes } = JSON.parse(readFileSync(0, 'utf8'));
const connect = () => new Redis({ path: socket, maxRetriesPerRequest: null });
const queue = new Queue('images', { connection: connect() });
const events = new QueueEvents('images', { connection: connect() });
await events.waitUntilReady();

const workers = Array.from({ length: processes }, () => fork(new URL('./worker.mjs', import.meta.url), [socket]));
await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));

let ended = 0;
let failed = 0;
const all = new Promise((resolve) => {
  const one = () => {
    ended += 1;
    if (ended === jobs.length) resolve();
  };
  events.on('completed', one);
  events.on('failed', () => {
    failed += 1;
    one();
  });
});
const from = performance.now();
await Promise.all(jobs.map((job) => queue.add('convert', job)));
await all;
const seconds = (performance.now() - from) / 1e3;
const cpu = await Promise.all(
  workers.map((worker) => new Promise((resolve) => {
    worker.once('message', resolve);
    worker.send('end');
  })),
);
const own = process.cpuUsage();
const cpuSeconds = cpu.reduce((sum, part) => sum + part, 0) + (own.user + own.system) / 1e6;
process.stdout.write(JSON.stringify({ seconds, cpu_seconds: cpuSeconds, failed }), () => process.exit(0));
