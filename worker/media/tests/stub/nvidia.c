/* Stands in for libcuda.so.1 and libnvidia-encode.so.1, so that what an NVENC card does and refuses can be tried without one.
 *
 * It "encodes" by handing out, frame by frame, the access units of a stream that the test has encoded before. The layouts are those of NVIDIA's
 * nvEncodeAPI.h from version 11.1 on, of which only the fields in use are named.
 *
 * STUB_STREAM  H.264 with an access unit delimiter before every picture
 * STUB_FAULT   open: all sessions but the first are refused; frame:N: the picture N of a session fails; flush: the end of a session of more than
 *              one picture fails; codecs: no codec is offered
 * STUB_LOG     a line for each session that was opened, each picture and each end
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int Status;
enum { OK = 0, NO_DEVICE = 1, OUT_OF_MEMORY = 10, GENERIC = 20 };
/* How many sessions a card takes at a time. */
enum { SESSIONS = 3 };

typedef struct { uint32_t a; uint16_t b, c; uint8_t d[8]; } Guid;
static const Guid CODECS[] = {
    { 0x6bc82762, 0x4e63, 0x4ca4, { 0xaa, 0x85, 0x1e, 0x50, 0xf3, 0x21, 0xf6, 0xbf } }, /* H.264 */
    { 0x790cdc88, 0x4522, 0x4d7b, { 0x94, 0x25, 0xbd, 0xa9, 0x97, 0x5f, 0x76, 0x03 } }, /* HEVC */
};

typedef struct { uint32_t version, query; } Caps;
typedef struct { uint32_t version, pad, config_version; Guid profile; uint32_t gop; int32_t p_interval; } Preset;
typedef struct { uint32_t version, width, height, heap, format, reserved; void *buffer; } NewInput;
typedef struct { uint32_t version, size, heap, reserved; void *buffer; } NewOutput;
typedef struct { uint32_t version, flags; void *buffer, *data; uint32_t pitch; } LockedInput;
typedef struct { uint32_t version, width, height, pitch, flags, index; uint64_t time, duration; void *input, *output; } Picture;
typedef struct {
    uint32_t version, flags; void *output; uint32_t *slices; uint32_t index, status, slice_count, size;
    uint64_t time, duration; void *data; uint32_t type;
} LockedOutput;
typedef struct { uint32_t version, size, sps, pps; void *data; uint32_t *written; } Headers;

typedef struct { size_t pitch; unsigned char data[]; } Input;
typedef struct { uint64_t time; long frame; } Output;
typedef struct { long frames; } Session;

static unsigned char *stream;
static size_t length;
static int log_file = -1, opened, alive;

static void tell(const char *line) {
    if (log_file >= 0 && write(log_file, line, strlen(line)) < 0) abort();
}

/* All that needs a path happens while the library is loaded: afterwards the program is confined. */
__attribute__((constructor)) static void load(void) {
    const char *path = getenv("STUB_LOG");
    if (path) log_file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    path = getenv("STUB_STREAM");
    int file = path ? open(path, O_RDONLY) : -1;
    struct stat facts;
    if (file < 0 || fstat(file, &facts) != 0) return;
    stream = malloc(facts.st_size);
    length = read(file, stream, facts.st_size);
    close(file);
}

static int fails(const char *what) {
    const char *fault = getenv("STUB_FAULT");
    return fault && strcmp(fault, what) == 0;
}

/* Where the access unit of that number begins; the end of the stream where there is none. */
static size_t unit(long number) {
    for (size_t at = 0; at + 5 <= length; at++)
        if (memcmp(stream + at, "\0\0\0\1\x09", 5) == 0 && number-- == 0) return at;
    return length;
}

static Status unsupported(void) { return GENERIC; }

static Status open_session(void *parameters, void **session) {
    (void)parameters;
    tell("open\n");
    *session = NULL;
    if (opened++ > 0 && fails("open")) return OUT_OF_MEMORY;
    if (alive >= SESSIONS) return OUT_OF_MEMORY;
    alive++;
    *session = calloc(1, sizeof(Session));
    return OK;
}
static Status close_session(void *session) {
    alive--;
    free(session);
    return OK;
}
static Status count_codecs(void *session, uint32_t *count) {
    (void)session;
    *count = fails("codecs") ? 0 : 2;
    return OK;
}
static Status list_codecs(void *session, Guid *codecs, uint32_t room, uint32_t *count) {
    (void)session;
    *count = fails("codecs") ? 0 : room < 2 ? room : 2;
    memcpy(codecs, CODECS, *count * sizeof(Guid));
    return OK;
}
static Status capability(void *session, Guid codec, Caps *caps, int *value) {
    (void)session;
    (void)codec;
    /* 16 and 17 are the largest width and height; the rest are yes and no, or small numbers. */
    *value = caps->query == 16 || caps->query == 17 ? 4096 : 1;
    return OK;
}
static Status preset(void *session, Guid codec, Guid name, int tuning, Preset *preset) {
    (void)session, (void)codec, (void)name, (void)tuning;
    preset->gop = 250;
    preset->p_interval = 1;
    return OK;
}
static Status yes(void) { return OK; }
static Status new_input(void *session, NewInput *input) {
    (void)session;
    size_t pitch = (input->width + 255) & ~255u;
    Input *made = malloc(sizeof(Input) + pitch * input->height * 4);
    made->pitch = pitch;
    input->buffer = made;
    return OK;
}
static Status new_output(void *session, NewOutput *output) {
    (void)session;
    output->buffer = calloc(1, sizeof(Output));
    return OK;
}
static Status forget(void *session, void *buffer) {
    (void)session;
    free(buffer);
    return OK;
}
static Status lock_input(void *session, LockedInput *locked) {
    (void)session;
    Input *input = locked->buffer;
    locked->data = input->data;
    locked->pitch = (uint32_t)input->pitch;
    return OK;
}
static Status encode(void *opaque, Picture *picture) {
    Session *session = opaque;
    if (picture->flags & 8) {
        tell("end\n");
        return session->frames > 1 && fails("flush") ? GENERIC : OK;
    }
    tell("frame\n");
    char now[32];
    snprintf(now, sizeof now, "frame:%ld", session->frames);
    if (fails(now)) return GENERIC;
    Output *output = picture->output;
    output->time = picture->time;
    output->frame = session->frames++;
    return OK;
}
static Status lock_output(void *session, LockedOutput *locked) {
    (void)session;
    Output *output = locked->output;
    size_t start = unit(output->frame);
    locked->data = stream + start;
    locked->size = (uint32_t)(unit(output->frame + 1) - start);
    locked->time = output->time;
    locked->duration = 0;
    locked->type = 3; /* IDR */
    return OK;
}
static Status headers(void *session, Headers *headers) {
    (void)session;
    /* The parameter sets lie between the first delimiter and the first slice. */
    size_t start = 0, end = 0;
    for (size_t at = 6; at + 5 <= length && end == 0; at++) {
        if (memcmp(stream + at, "\0\0\0\1", 4) != 0 && memcmp(stream + at, "\0\0\1", 3) != 0) continue;
        int kind = stream[at + (stream[at + 2] == 1 ? 3 : 4)] & 31;
        if (kind == 7 && start == 0) start = at;
        if (start > 0 && kind != 7 && kind != 8) end = at;
    }
    if (start == 0 || end - start > headers->size) return GENERIC;
    memcpy(headers->data, stream + start, end - start);
    *headers->written = (uint32_t)(end - start);
    return OK;
}
static const char *last_error(void *session) {
    (void)session;
    return "the stub was told to fail";
}

Status NvEncodeAPIGetMaxSupportedVersion(uint32_t *version) {
    const char *said = getenv("STUB_VERSION");
    *version = said ? (uint32_t)atoi(said) : 14 << 4;
    return OK;
}

Status NvEncodeAPICreateInstance(void *list) {
    void **slots = (void **)((char *)list + 8);
    for (int slot = 0; slot < 60; slot++) slots[slot] = (void *)unsupported;
    slots[1] = (void *)count_codecs;
    slots[4] = (void *)list_codecs;
    slots[7] = (void *)capability;
    slots[11] = (void *)yes; /* initialise */
    slots[12] = (void *)new_input;
    slots[13] = (void *)forget;
    slots[14] = (void *)new_output;
    slots[15] = (void *)forget;
    slots[16] = (void *)encode;
    slots[17] = (void *)lock_output;
    slots[18] = (void *)yes;
    slots[19] = (void *)lock_input;
    slots[20] = (void *)yes;
    slots[22] = (void *)headers;
    slots[27] = (void *)close_session;
    slots[29] = (void *)open_session;
    slots[37] = (void *)last_error;
    slots[38] = (void *)yes; /* streams */
    slots[39] = (void *)preset;
    return OK;
}

/* CUDA: one device, and a context that is only passed on. */
static int device_count(int *count) { return *count = 1, 0; }

int cuInit(unsigned flags) { return (void)flags, 0; }
int cuDriverGetVersion(int *version) { return *version = 12020, 0; }
int cuDeviceGetCount(int *count) { return device_count(count); }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char *name, int room, int device) { return (void)device, snprintf(name, room, "Stub"), 0; }
int cuDeviceComputeCapability(int *major, int *minor, int device) { return (void)device, *major = 9, *minor = 0, 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { return (void)attribute, (void)device, *value = 0, 0; }
int cuCtxCreate_v2(void **context, unsigned flags, int device) { return (void)flags, (void)device, *context = &opened, 0; }
int cuCtxPopCurrent_v2(void **context) { return *context = &opened, 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { return (void)device, *context = &opened, 0; }
int cuCtxGetCurrent(void **context) { return *context = &opened, 0; }
int cuGetErrorName(int error, const char **name) { return (void)error, *name = "stub", 0; }
int cuGetErrorString(int error, const char **text) { return (void)error, *text = "the stub", 0; }
#define FINE(name) int name(void) { return 0; }
#define NOT(name) int name(void) { return 801; }
FINE(cuCtxPushCurrent_v2) FINE(cuCtxSetCurrent) FINE(cuCtxDestroy_v2) FINE(cuCtxSetLimit) FINE(cuDevicePrimaryCtxRelease)
FINE(cuDevicePrimaryCtxRelease_v2) FINE(cuCtxSynchronize)
/* FFmpeg wants these to be there. */
NOT(cuMemAlloc_v2) NOT(cuMemAllocPitch_v2) NOT(cuMemAllocManaged) NOT(cuMemsetD8Async) NOT(cuMemFree_v2) NOT(cuMemcpy) NOT(cuMemcpyAsync)
NOT(cuMemcpy2D_v2) NOT(cuMemcpy2DAsync_v2) NOT(cuMemcpyHtoD_v2) NOT(cuMemcpyHtoDAsync_v2) NOT(cuMemcpyDtoH_v2) NOT(cuMemcpyDtoHAsync_v2)
NOT(cuMemcpyDtoD_v2) NOT(cuMemcpyDtoDAsync_v2) NOT(cuCtxGetDevice) NOT(cuDevicePrimaryCtxSetFlags) NOT(cuDevicePrimaryCtxGetState)
NOT(cuDevicePrimaryCtxReset) NOT(cuStreamCreate) NOT(cuStreamQuery) NOT(cuStreamSynchronize) NOT(cuStreamDestroy_v2) NOT(cuStreamAddCallback)
NOT(cuEventCreate) NOT(cuEventDestroy_v2) NOT(cuEventSynchronize) NOT(cuEventQuery) NOT(cuEventRecord) NOT(cuLaunchKernel) NOT(cuLinkCreate)
NOT(cuLinkAddData) NOT(cuLinkComplete) NOT(cuLinkDestroy) NOT(cuModuleLoadData) NOT(cuModuleUnload) NOT(cuModuleGetFunction)
NOT(cuModuleGetGlobal) NOT(cuTexObjectCreate) NOT(cuTexObjectDestroy) NOT(cuGLGetDevices_v2) NOT(cuGraphicsGLRegisterImage)
NOT(cuGraphicsUnregisterResource) NOT(cuGraphicsMapResources) NOT(cuGraphicsUnmapResources) NOT(cuGraphicsSubResourceGetMappedArray)
NOT(cuGraphicsResourceGetMappedPointer_v2) NOT(cuArray3DCreate_v2) NOT(cuArrayDestroy)
