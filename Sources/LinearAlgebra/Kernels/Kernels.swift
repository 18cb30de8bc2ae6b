import COpenBLAS

/// The kernels of OpenBLAS, which are specific to types of processors.
package enum Kernels {
  /// The variable from which OpenBLAS takes the name of its kernels when it is loaded.
  package static let variable = "OPENBLAS_CORETYPE"

  /// The name of the kernels in use.
  package static var name: String { String(cString: openblas_get_corename()) }

  /// The kernels that fit this processor, where an OpenBLAS that does not know it uses its oldest ones, which are
  /// several times slower; nil where its choice is good, or the user's.
  package static func better(than name: String = name, environment: [String: String]) -> String? {
    guard environment[variable] == nil, name == "Prescott" else { return nil }
    return [512: "SkylakeX", 256: "Haswell"][Int(fgn_vector_bits())]
  }
}
