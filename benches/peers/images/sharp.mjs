// sharp as a child of `convertfly bench peers`: a JSON request a line on standard input, a JSON reply a line on standard output.
// {row, config, source, output, mark} -> {cpu_ms, wall_ms} | {error}
import { createInterface } from 'node:readline';
import sharp from 'sharp';

// One image on one core, and nothing remembered of the round before.
sharp.concurrency(1);
sharp.cache(false);

const jpeg = (config) => ({ quality: 85, ...(config === 'best' ? { optimiseCoding: false } : {}) });
const WIDTHS = [320, 640, 800, 1200, 1600];

const ROWS = {
  thumbnail: (r) => sharp(r.source).resize(320).jpeg(jpeg(r.config)).toFile(r.output),
  resize: (r) => sharp(r.source).resize(1600).jpeg(jpeg(r.config)).toFile(r.output),
  'resize-icc': (r) => sharp(r.source).resize(1600).jpeg(jpeg(r.config)).toFile(r.output),
  'thumbnail-fine': (r) => ROWS.thumbnail(r),
  'resize-srgb': (r) => ROWS.resize(r),
  'webp-fast': (r) => sharp(r.source).webp({ quality: 85, ...(r.config === 'fast' ? { effort: 2 } : {}) }).toFile(r.output),
  webp: (r) => sharp(r.source).webp({ quality: 85 }).toFile(r.output),
  'png-to-jpeg': (r) => sharp(r.source).jpeg(jpeg(r.config)).toFile(r.output),
  watermark: (r) => sharp(r.source).composite([{ input: r.mark, gravity: 'southeast' }]).jpeg(jpeg(r.config)).toFile(r.output),
  'jpeg-to-png': (r) => sharp(r.source).png(r.config === 'best' ? { compressionLevel: 1 } : {}).toFile(r.output),
  requality: (r) => sharp(r.source).jpeg(jpeg(r.config)).toFile(r.output),
  renditions: async (r) => {
    for (const width of WIDTHS) await sharp(r.source).resize(width).jpeg(jpeg(r.config)).toFile(r.output);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    const cpu = process.cpuUsage();
    const from = performance.now();
    await ROWS[request.row](request);
    const used = process.cpuUsage(cpu);
    const reply = { cpu_ms: (used.user + used.system) / 1e3, wall_ms: performance.now() - from };
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ error: String(error) })}\n`);
  }
}
