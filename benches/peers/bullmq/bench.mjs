// BullMQ with no-op processors, against a redis-server of its own with the flags of convertfly's:
//   node bench.mjs JOBS CONCURRENCY APPENDFSYNC TASKS
// TASKS is 1 (a plain job) or 3 (a flow: a parent with two chained children). Prints one line of JSON in the form of
// `convertfly bench scheduler --json`.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FlowProducer, Queue, Worker } from 'bullmq';
import Redis from 'ioredis';

const [jobs, concurrency, appendfsync, tasks] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4], Number(process.argv[5])];
const folder = mkdtempSync(join(tmpdir(), 'bullmq-'));
const path = join(folder, 'redis.sock');
const server = spawn('redis-server', ['--port', '0', '--save', '', '--appendonly', 'yes', '--appendfsync', appendfsync,
  '--maxmemory-policy', 'noeviction', '--databases', '1', '--dir', folder, '--unixsocket', path], { stdio: 'ignore' });
// Until the server listens, and after it has been stopped, a connection only tries again.
const connect = () => new Redis({ path, maxRetriesPerRequest: null, retryStrategy: () => 50 }).on('error', () => {});
const meter = connect();
await meter.ping();

async function counters() {
  const info = await meter.info('cpu') + await meter.info('commandstats');
  const value = (name) => Number(info.match(new RegExp(`${name}:([0-9.]+)`))[1]);
  const calls = [...info.matchAll(/cmdstat_([^:\r\n]+):calls=(\d+)/g)].map((m) => [m[1], Number(m[2])]);
  const sum = (wanted) => calls.filter(([name]) => wanted(name)).reduce((total, [, n]) => total + n, 0);
  return {
    cpu: value('used_cpu_sys') + value('used_cpu_user'),
    commands: sum(() => true),
    scripts: sum((name) => name.startsWith('eval')),
  };
}

async function phase(work) {
  const before = await counters();
  const start = process.hrtime.bigint();
  await work();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const after = await counters();
  return {
    jobs_per_second: jobs / seconds,
    redis_us: (after.cpu - before.cpu) * 1e6 / jobs,
    round_trips: (after.scripts - before.scripts) / jobs,
    commands: (after.commands - before.commands) / jobs,
  };
}

const name = 'tasks';
const producer = tasks === 1 ? new Queue(name, { connection: connect() }) : new FlowProducer({ connection: connect() });
const add = (i) => tasks === 1 ? producer.add('export', { i }) : producer.add(flow(i));
const flow = (i) => ({ name: 'export', queueName: name, data: { i }, children: [
  { name: 'convert', queueName: name, data: { i }, children: [{ name: 'import', queueName: name, data: { i } }] }] });
let next = 0;
const submit = await phase(() => Promise.all(Array.from({ length: concurrency }, async () => {
  while (next < jobs) await add(next++);
})));

const worker = new Worker(name, async () => null, { connection: connect(), concurrency, autorun: false });
const work = await phase(() => new Promise((resolve, reject) => {
  let done = 0;
  worker.on('completed', (job) => { if (job.name === 'export' && ++done === jobs) resolve(); });
  worker.on('failed', (_, error) => reject(error));
  worker.run().catch(reject);
}));
console.log(JSON.stringify({ tasks, submit, work }));
await worker.close(true);
await producer.close();
meter.disconnect();
server.kill();
await sleep(100);
rmSync(folder, { recursive: true, force: true });
process.exit(0);
