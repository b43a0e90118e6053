/* What libjpeg-turbo says of a file: its coefficients, its pixels; and files in every coding that it writes. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

struct fault {
  struct jpeg_error_mgr pub;
  jmp_buf back;
};

static void leave(j_common_ptr cinfo) {
  longjmp(((struct fault *)cinfo->err)->back, 1);
}

static void quiet(j_common_ptr cinfo) { (void)cinfo; }

/* As Rust sees it: src/lib.rs. */
struct component {
  int h, v, width_in_blocks, height_in_blocks;
  unsigned short quant[64];
  size_t offset; /* of its first coefficient */
};

struct coefficients {
  int width, height, components, warnings, code;
  struct component component[4];
  short *data;
  size_t length;
};

int convertfly_reference_coefficients(const unsigned char *file, size_t length, struct coefficients *out) {
  struct jpeg_decompress_struct cinfo;
  struct fault fault;
  short *volatile data = NULL;
  memset(out, 0, sizeof *out);
  memset(&cinfo, 0, sizeof cinfo);
  cinfo.err = jpeg_std_error(&fault.pub);
  fault.pub.error_exit = leave;
  fault.pub.output_message = quiet;
  if (setjmp(fault.back)) {
    out->code = fault.pub.msg_code;
    jpeg_destroy_decompress(&cinfo);
    free(data);
    return 1;
  }
  jpeg_create_decompress(&cinfo);
  jpeg_mem_src(&cinfo, file, length);
  jpeg_read_header(&cinfo, TRUE);
  if (cinfo.num_components > 4 || cinfo.data_precision != 8) {
    jpeg_destroy_decompress(&cinfo);
    return 2;
  }
  jvirt_barray_ptr *arrays = jpeg_read_coefficients(&cinfo);
  size_t total = 0;
  for (int ci = 0; ci < cinfo.num_components; ci++) {
    jpeg_component_info *c = &cinfo.comp_info[ci];
    struct component *o = &out->component[ci];
    o->h = c->h_samp_factor;
    o->v = c->v_samp_factor;
    o->width_in_blocks = c->width_in_blocks;
    o->height_in_blocks = c->height_in_blocks;
    o->offset = total;
    if (c->quant_table)
      memcpy(o->quant, c->quant_table->quantval, sizeof o->quant);
    total += (size_t)c->width_in_blocks * c->height_in_blocks * 64;
  }
  data = malloc(total * sizeof(short) + 1);
  if (!data)
    leave((j_common_ptr)&cinfo);
  for (int ci = 0; ci < cinfo.num_components; ci++) {
    struct component *o = &out->component[ci];
    for (int y = 0; y < o->height_in_blocks; y++) {
      JBLOCKARRAY rows = (*cinfo.mem->access_virt_barray)((j_common_ptr)&cinfo, arrays[ci], y, 1, FALSE);
      memcpy(data + o->offset + (size_t)y * o->width_in_blocks * 64, rows[0], (size_t)o->width_in_blocks * 128);
    }
  }
  out->width = cinfo.image_width;
  out->height = cinfo.image_height;
  out->components = cinfo.num_components;
  out->data = data;
  out->length = total;
  jpeg_finish_decompress(&cinfo);
  out->warnings = fault.pub.num_warnings;
  jpeg_destroy_decompress(&cinfo);
  return 0;
}

/* Only reads them, as a measure of the time that takes. */
int convertfly_reference_read(const unsigned char *file, size_t length) {
  struct jpeg_decompress_struct cinfo;
  struct fault fault;
  memset(&cinfo, 0, sizeof cinfo);
  cinfo.err = jpeg_std_error(&fault.pub);
  fault.pub.error_exit = leave;
  fault.pub.output_message = quiet;
  if (setjmp(fault.back)) {
    jpeg_destroy_decompress(&cinfo);
    return 1;
  }
  jpeg_create_decompress(&cinfo);
  jpeg_mem_src(&cinfo, file, length);
  jpeg_read_header(&cinfo, TRUE);
  jpeg_read_coefficients(&cinfo);
  jpeg_finish_decompress(&cinfo);
  jpeg_destroy_decompress(&cinfo);
  return 0;
}

struct pixels {
  int width, height, channels, warnings;
  unsigned char *data;
};

/* mode: 0 as libjpeg's default colours (grey or RGB or CMYK), 1 no conversion of colours. Into the caller's room, if there is any. */
int convertfly_reference_pixels(const unsigned char *file, size_t length, int denominator, int mode, unsigned char *into,
                                size_t room, struct pixels *out) {
  struct jpeg_decompress_struct cinfo;
  struct fault fault;
  unsigned char *volatile data = NULL;
  memset(out, 0, sizeof *out);
  memset(&cinfo, 0, sizeof cinfo);
  cinfo.err = jpeg_std_error(&fault.pub);
  fault.pub.error_exit = leave;
  fault.pub.output_message = quiet;
  if (setjmp(fault.back)) {
    jpeg_destroy_decompress(&cinfo);
    free(data);
    return 1;
  }
  jpeg_create_decompress(&cinfo);
  jpeg_mem_src(&cinfo, file, length);
  jpeg_read_header(&cinfo, TRUE);
  cinfo.scale_num = 1;
  cinfo.scale_denom = denominator;
  cinfo.dct_method = JDCT_ISLOW;
  if (mode == 1)
    cinfo.out_color_space = cinfo.jpeg_color_space;
  jpeg_start_decompress(&cinfo);
  size_t stride = (size_t)cinfo.output_width * cinfo.output_components;
  size_t total = stride * cinfo.output_height;
  if (into && total > room)
    leave((j_common_ptr)&cinfo);
  if (!into)
    data = malloc(total);
  if (!into && !data)
    leave((j_common_ptr)&cinfo);
  while (cinfo.output_scanline < cinfo.output_height) {
    JSAMPROW row = (into ? into : data) + stride * cinfo.output_scanline;
    jpeg_read_scanlines(&cinfo, &row, 1);
  }
  out->width = cinfo.output_width;
  out->height = cinfo.output_height;
  out->channels = cinfo.output_components;
  out->data = data;
  jpeg_finish_decompress(&cinfo);
  out->warnings = fault.pub.num_warnings;
  jpeg_destroy_decompress(&cinfo);
  return 0;
}

struct settings {
  int width, height, channels; /* 1 grey, 3 RGB, 4 CMYK */
  int quality, progressive, optimize, restart_blocks, separate_scans, keep_rgb, ycck;
  int h[4], v[4];
};

int convertfly_reference_encode(const unsigned char *pixels, const struct settings *s, unsigned char **out, unsigned long *length) {
  struct jpeg_compress_struct cinfo;
  struct fault fault;
  jpeg_scan_info scans[4];
  *out = NULL;
  *length = 0;
  memset(&cinfo, 0, sizeof cinfo);
  cinfo.err = jpeg_std_error(&fault.pub);
  fault.pub.error_exit = leave;
  fault.pub.output_message = quiet;
  if (setjmp(fault.back)) {
    jpeg_destroy_compress(&cinfo);
    free(*out);
    *out = NULL;
    return 1;
  }
  jpeg_create_compress(&cinfo);
  jpeg_mem_dest(&cinfo, out, length);
  cinfo.image_width = s->width;
  cinfo.image_height = s->height;
  cinfo.input_components = s->channels;
  cinfo.in_color_space = s->channels == 1 ? JCS_GRAYSCALE : s->channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&cinfo);
  if (s->keep_rgb)
    jpeg_set_colorspace(&cinfo, JCS_RGB);
  if (s->ycck)
    jpeg_set_colorspace(&cinfo, JCS_YCCK);
  jpeg_set_quality(&cinfo, s->quality, FALSE);
  for (int i = 0; i < cinfo.num_components; i++) {
    cinfo.comp_info[i].h_samp_factor = s->h[i];
    cinfo.comp_info[i].v_samp_factor = s->v[i];
  }
  cinfo.optimize_coding = s->optimize;
  cinfo.restart_interval = s->restart_blocks;
  if (s->progressive)
    jpeg_simple_progression(&cinfo);
  else if (s->separate_scans) {
    memset(scans, 0, sizeof scans);
    for (int i = 0; i < cinfo.num_components; i++) {
      scans[i].comps_in_scan = 1;
      scans[i].component_index[0] = i;
      scans[i].Se = 63;
    }
    cinfo.scan_info = scans;
    cinfo.num_scans = cinfo.num_components;
  }
  jpeg_start_compress(&cinfo, TRUE);
  while (cinfo.next_scanline < cinfo.image_height) {
    JSAMPROW row = (JSAMPROW)pixels + (size_t)cinfo.next_scanline * s->width * s->channels;
    jpeg_write_scanlines(&cinfo, &row, 1);
  }
  jpeg_finish_compress(&cinfo);
  jpeg_destroy_compress(&cinfo);
  return 0;
}

/* The same coefficients in another coding. */
int convertfly_reference_recode(const unsigned char *file, size_t length, int progressive, int optimize, unsigned char **out, unsigned long *written) {
  struct jpeg_decompress_struct src;
  struct jpeg_compress_struct dst;
  struct fault fault;
  *out = NULL;
  *written = 0;
  memset(&src, 0, sizeof src);
  memset(&dst, 0, sizeof dst);
  src.err = dst.err = jpeg_std_error(&fault.pub);
  fault.pub.error_exit = leave;
  fault.pub.output_message = quiet;
  if (setjmp(fault.back)) {
    jpeg_destroy_compress(&dst);
    jpeg_destroy_decompress(&src);
    free(*out);
    *out = NULL;
    return 1;
  }
  jpeg_create_decompress(&src);
  jpeg_create_compress(&dst);
  jpeg_mem_src(&src, file, length);
  jpeg_read_header(&src, TRUE);
  jvirt_barray_ptr *arrays = jpeg_read_coefficients(&src);
  jpeg_copy_critical_parameters(&src, &dst);
  dst.optimize_coding = optimize;
  if (progressive)
    jpeg_simple_progression(&dst);
  jpeg_mem_dest(&dst, out, written);
  jpeg_write_coefficients(&dst, arrays);
  jpeg_finish_compress(&dst);
  jpeg_destroy_compress(&dst);
  jpeg_finish_decompress(&src);
  jpeg_destroy_decompress(&src);
  return 0;
}

void convertfly_reference_free(void *data) { free(data); }
