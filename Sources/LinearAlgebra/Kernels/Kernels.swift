import CBLAS

/// The library of BLAS, and its kernels, which are specific to types of processors.
package enum Kernels {
  /// The variable from which OpenBLAS takes the name of its kernels when it is loaded.
  package static let variable = "OPENBLAS_CORETYPE"

  /// The name of the kernels in use: OpenBLAS tells one, such as `Haswell`; for another library it is the library's.
  package static var name: String { fgn_openblas_kernels().map { String(cString: $0) } ?? library }

  /// The library with its version, where it tells one.
  package static var library: String {
    var text = [CChar](repeating: 0, count: 256)
    fgn_blas_version(&text, Int32(text.count))
    let told = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let version =
      told.split { !$0.isNumber && $0 != "." }.first { $0.contains(".") && $0.first?.isNumber == true } ?? ""
    let library =
      switch fgn_blas_library() {
      case FGN_BLAS_OPENBLAS: "OpenBLAS"
      case FGN_BLAS_MKL: "MKL"
      case FGN_BLAS_BLIS: "BLIS"
      default: "a BLAS without a name"
      }
    return version.isEmpty ? library : "\(library) \(version)"
  }

  /// The kernels and their library, for people.
  package static var summary: String { name == library ? library : "\(name) kernels of \(library)" }

  /// The bits of the vectors that the processor multiplies and adds at once, 256 or 512; 0 for processors other than x86's.
  package static var vectorBits: Int { Int(fgn_vector_bits()) }

  /// The kernels that fit this processor, where an OpenBLAS that does not know it uses its oldest ones, which are
  /// several times slower; nil where its choice is good, or the user's.
  package static func better(than name: String = name, environment: [String: String]) -> String? {
    guard environment[variable] == nil, name == "Prescott" else { return nil }
    return [512: "SkylakeX", 256: "Haswell"][vectorBits]
  }
}
