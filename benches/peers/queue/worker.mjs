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
    const options = data.format === 'png' ? {} : { quality: data.quality };
    const widths = data.widths.length ? data.widths : [null];
    // Several sizes are several pipelines: sharp decodes each at the scale that suits it.
    for (const [at, width] of widths.entries()) {
      let image = sharp(data.source);
      if (width) image = image.resize(width, null, { withoutEnlargement: true });
      const output = at ? `${data.output}.${at}` : data.output;
      await image.toFormat(data.format === 'jpg' ? 'jpeg' : data.format, options).toFile(output);
    }
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
