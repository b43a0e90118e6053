// The scheduler beside BullMQ: rounds of one and the other in turn, each on a fresh redis-server with the same flags.
//   npm ci && node compare.mjs PATH/TO/convertfly [JOBS] [ROUNDS] [APPENDFSYNC] [--json]
// Prints the median of each figure, of jobs of one task and of three; both sides have CONCURRENCY calls in flight.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CONCURRENCY = '64';
const json = process.argv.includes('--json');
const [program, jobs = '3000', rounds = '5', appendfsync = 'always'] = process.argv.slice(2).filter((word) => word !== '--json');
if (!program) {
  console.error('usage: node compare.mjs PATH/TO/convertfly [JOBS] [ROUNDS] [APPENDFSYNC] [--json]');
  process.exit(2);
}
const bench = fileURLToPath(new URL('bench.mjs', import.meta.url));
const TASKS = [1, 3];
const output = (...command) => JSON.parse(execFileSync(...command, { stdio: ['ignore', 'pipe', 'inherit'] }));
// Each gives a report for each number of tasks.
const sides = {
  convertfly: () => output(program, ['bench', 'scheduler', '--jobs', jobs, '--concurrency', CONCURRENCY, '--appendfsync', appendfsync,
    '--no-start', '--json']).report,
  bullmq: () => TASKS.map((tasks) => output(process.execPath, [bench, jobs, CONCURRENCY, appendfsync, String(tasks)])),
};
const reports = { convertfly: [], bullmq: [] };
for (let round = 0; round < Number(rounds); round++) {
  for (const side of round % 2 ? ['bullmq', 'convertfly'] : ['convertfly', 'bullmq']) reports[side].push(...sides[side]());
}
const of = (side, tasks) => reports[side].filter((report) => report.tasks === tasks);
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const KEYS = ['jobs_per_second', 'redis_us', 'round_trips', 'commands'];
const phase = (seen, part) => Object.fromEntries(KEYS.map((key) => [key, median(seen.map((report) => report[part][key]))]));
const whole = (seen) => median(seen.map(({ submit, work }) => 1 / (1 / submit.jobs_per_second + 1 / work.jobs_per_second)));
const phases = (seen) => ({ whole: whole(seen), submit: phase(seen, 'submit'), work: phase(seen, 'work') });
const rows = TASKS.map((tasks) => ({ tasks, convertfly: phases(of('convertfly', tasks)), bullmq: phases(of('bullmq', tasks)) }));
if (json) {
  console.log(JSON.stringify({ jobs: Number(jobs), rounds: Number(rounds), appendfsync, rows }));
  process.exit(0);
}
console.log(`${jobs} jobs, ${rounds} rounds in turn, ${CONCURRENCY} calls in flight, appendfsync ${appendfsync}; medians:`);
console.log('                              jobs/s   Redis us/job   round trips   commands');
for (const row of rows) {
  for (const part of ['submit', 'work']) {
    for (const side of ['convertfly', 'bullmq']) {
      const { jobs_per_second: speed, redis_us: us, round_trips: trips, commands } = row[side][part];
      console.log(`${row.tasks} task(s), ${part.padEnd(7)}${side.padEnd(11)}${speed.toFixed(0).padStart(9)}${us.toFixed(1).padStart(15)
      }${trips.toFixed(2).padStart(14)}${commands.toFixed(1).padStart(11)}`);
    }
  }
  const redis = ({ submit, work }) => submit.redis_us + work.redis_us;
  const { convertfly: ours, bullmq: theirs } = row;
  console.log(`${row.tasks} task(s), whole: ${ours.whole.toFixed(0)} jobs/s against ${theirs.whole.toFixed(0)}, ${(ours.whole / theirs.whole).toFixed(2)
  } times; Redis ${redis(ours).toFixed(0)} us against ${redis(theirs).toFixed(0)}, ${(redis(ours) / redis(theirs)).toFixed(2)} of it`);
}
