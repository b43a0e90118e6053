// The scheduler beside BullMQ: rounds of one and the other in turn, each on a fresh redis-server with the same flags.
//   npm ci && node compare.mjs PATH/TO/convertfly [JOBS] [ROUNDS] [APPENDFSYNC] [--json]
// Prints the median of each figure; both sides have CONCURRENCY calls in flight.
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
const sides = {
  convertfly: () => JSON.parse(execFileSync(program, ['bench', 'scheduler', '--jobs', jobs, '--concurrency', CONCURRENCY,
    '--appendfsync', appendfsync, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })).report.find((report) => report.tasks === 3),
  bullmq: () => JSON.parse(execFileSync(process.execPath, [bench, jobs, CONCURRENCY, appendfsync], { stdio: ['ignore', 'pipe', 'inherit'] })),
};
const seen = { convertfly: [], bullmq: [] };
for (let round = 0; round < Number(rounds); round++) {
  for (const side of round % 2 ? ['bullmq', 'convertfly'] : ['convertfly', 'bullmq']) seen[side].push(sides[side]());
}
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const whole = (side) => median(seen[side].map(({ submit, work }) => 1 / (1 / submit.jobs_per_second + 1 / work.jobs_per_second)));
if (json) {
  const KEYS = ['jobs_per_second', 'redis_us', 'round_trips', 'commands'];
  const phase = (side, part) => Object.fromEntries(KEYS.map((key) => [key, median(seen[side].map((report) => report[part][key]))]));
  const phases = (side) => ({ whole: whole(side), submit: phase(side, 'submit'), work: phase(side, 'work') });
  console.log(JSON.stringify({ jobs: Number(jobs), rounds: Number(rounds), appendfsync, convertfly: phases('convertfly'), bullmq: phases('bullmq') }));
  process.exit(0);
}
console.log(`3 tasks a job, ${jobs} jobs, ${rounds} rounds in turn, ${CONCURRENCY} calls in flight, appendfsync ${appendfsync}; medians:`);
console.log('                     jobs/s   Redis us/job   round trips   commands');
for (const part of ['submit', 'work']) {
  for (const side of ['convertfly', 'bullmq']) {
    const figure = (key) => median(seen[side].map((report) => report[part][key]));
    console.log(`${part.padEnd(7)}${side.padEnd(11)}${figure('jobs_per_second').toFixed(0).padStart(9)}${figure('redis_us').toFixed(1).padStart(15)
    }${figure('round_trips').toFixed(2).padStart(14)}${figure('commands').toFixed(1).padStart(11)}`);
  }
}
console.log(`whole jobs a second: convertfly ${whole('convertfly').toFixed(0)}, BullMQ ${whole('bullmq').toFixed(0)}`);
