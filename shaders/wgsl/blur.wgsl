// Blurs one axis by a Gaussian, in two passes where it is narrow, in four where the axis becomes coarse and fine again.

#import bindings
#import samples
#import resample
