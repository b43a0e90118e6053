// A process of the pool: sharp behind a BullMQ worker. Its parent is told when it is ready, and in the end how much processor time it took.
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import sharp from 'sharp';

// A core a process, so a thread a picture; a second job keeps the core busy while files are read and written.
sharp.concurrency(1);
sharp.cache(false);

const connection = new Redis({ path: process.argv[2], maxRetriesPerRequest: null });
const worker = new Worker(
  'images',
  async ({ data }) => {
    let image = sharp(data.source);
    if (data.width) image = image.resize(data.width, null, { withoutEnlargement: true });
    const options = data.format === 'png' ? {} : { quality: data.quality };
    await image.toFormat(data.format === 'jpg' ? 'jpeg' : data.format, options).toFile(data.output);
  },
  { connection, concurrency: 2 },
);
await worker.waitUntilReady();
const before = process.cpuUsage();
process.send('ready');
process.on('message', () => {
  const used = process.cpuUsage(before);
  process.send((used.user + used.system) / 1e6, () => process.exit(0));
});
