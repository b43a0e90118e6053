// Resamples one axis, in two passes.

#import bindings
#import samples
#import resample
