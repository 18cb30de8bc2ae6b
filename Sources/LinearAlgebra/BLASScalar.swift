import CVectorMath
import COpenBLAS

/// The number types that BLAS knows: `Float` and `Double`.
package protocol BLASScalar: BinaryFloatingPoint, BitwiseCopyable, Sendable, Codable {
}
extension Float: BLASScalar {}
extension Double: BLASScalar {}
