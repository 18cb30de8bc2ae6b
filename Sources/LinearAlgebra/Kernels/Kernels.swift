import COpenBLAS

/// The kernels of OpenBLAS, which has some for each type of processor.
package enum Kernels {
  /// The variable that OpenBLAS takes their name from when it is loaded.
  package static let variable = "OPENBLAS_CORETYPE"

  /// The name of those in use.
  package static var name: String { String(cString: openblas_get_corename()) }

  /// Those that fit this processor, where an OpenBLAS that is older than it computes with its oldest, several times slower;
  /// nil where its choice is good, or the user's.
  package static func better(than name: String = name, environment: [String: String]) -> String? {
    guard environment[variable] == nil, name == "Prescott" else { return nil }
    return [512: "SkylakeX", 256: "Haswell"][Int(fgn_vector_bits())]
  }
}
