import LinearAlgebra

/// Seconds that a thread takes for the parts of a step in float32, for cost models. They are constants of a kind of
/// processor, and their ratios matter more than their size.
///
/// The values are measured on an AMD EPYC (Zen 4) at 3 GHz, with one thread on one core, and between two ranks in
/// shared memory.
package struct MachineRates: Equatable, Sendable {
  /// A multiplication in large matrix products, in the Gram matrix, in its Cholesky factor, and in triangular solves
  /// with a matrix.
  package var product = 0.0229e-9
  package var gram = 0.0237e-9
  package var factor = 0.0259e-9
  var triangular = 0.0412e-9
  /// A number of a matrix product's operands and result, which bound small products.
  package var operand = 0.2e-9
  /// A number in a pass over vectors, in the caches and in memory.
  package var pass = 0.02e-9
  package var memory = 0.13e-9
  /// A logit in the pass that makes margins and cotangents of it.
  package var margin = 0.39e-9
  /// An element of a Gram matrix: in the combination of the layers' products; in a product with a vector; and in a
  /// substitution, on one thread.
  var combination = 0.64e-9
  var symmetricProduct = 0.039e-9
  var substitution = 0.03e-9
  /// A number in a convolution's patches.
  var patch = 0.14e-9
  /// An entry of sparse rows times one output.
  var sparseProduct = 0.15e-9
  /// The start of a parallel loop or a product, on one thread and on several.
  var call = 1.0e-6
  var sharedCall = 1.5e-6
  /// An iteration without the matrix, except for its products and passes over parameters.
  var iteration = 18e-6
  /// The start of a collective, and a byte in it: within a host and between hosts.
  var message = 8e-6
  var byte = 0.35e-9
  var farMessage = 40e-6
  var farByte = 1.0e-9

  package init() {}

  /// The rates of the kernels of OpenBLAS with this name, which differ in the width of their vectors; or of another library,
  /// which chooses its kernels by the processor.
  package init(kernel: String) {
    self.init()
    let slowness: Double
    switch kernel {
    // 32 operations per cycle; most processors do no more with vectors of 512 bits.
    case "SkylakeX", "Cooperlake", "Sapphirerapids", "Haswell", "Zen", "A64FX": slowness = 1
    case "Sandybridge", "Bulldozer", "Piledriver", "Steamroller", "Excavator", "NEOVERSEN1", "NEOVERSEV1",
      "NEOVERSEN2":
      slowness = 2
    case let name where name.hasPrefix("MKL") || name.hasPrefix("BLIS"): slowness = Kernels.vectorBits > 0 ? 1 : 2
    default: slowness = 4
    }
    for path in [\Self.product, \.gram, \.factor, \.triangular] { self[keyPath: path] *= slowness }
  }
}
