//! Images: values as bytes, bit for bit, and back. A recording that begins late has the image of its engine, so that what comes after can
//! be decided again. Not in wasm, where code is dear: an engine there has no image.
//!
//! The bytes are a type's fields in the order of its `image!`. That is no format to keep: an image is read by the version that wrote it.

/// Implements `Image` for a structure, of which it names every field. Nothing in wasm.
#[macro_export]
macro_rules! image {
    ($name:ident { $($field:ident),* $(,)? }) => {
        #[cfg(not(target_family = "wasm"))]
        impl $crate::image::Image for $name {
            fn write(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($crate::image::Image::write($field, out);)*
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: $crate::image::Image::read(from)?),* })
            }
        }
    };
}

#[cfg(not(target_family = "wasm"))]
pub use bytes::Image;

#[cfg(not(target_family = "wasm"))]
mod bytes {
    /// A value that can be written as bytes and read back, bit for bit.
    pub trait Image: Sized {
        /// Appends the bytes of a value.
        fn write(&self, out: &mut Vec<u8>);

        /// Takes a value off the front; None where the bytes are none.
        fn read(from: &mut &[u8]) -> Option<Self>;
    }

    macro_rules! number {
        ($($name:ty),*) => {
            $(impl Image for $name {
                fn write(&self, out: &mut Vec<u8>) {
                    out.extend_from_slice(&self.to_le_bytes());
                }

                fn read(from: &mut &[u8]) -> Option<Self> {
                    let (bytes, rest) = from.split_first_chunk()?;
                    *from = rest;
                    Some(Self::from_le_bytes(*bytes))
                }
            })*
        };
    }

    number!(u8, u16, u32, u64, i64, f32, f64);

    impl Image for usize {
        fn write(&self, out: &mut Vec<u8>) {
            (*self as u64).write(out);
        }

        fn read(from: &mut &[u8]) -> Option<Self> {
            u64::read(from)?.try_into().ok()
        }
    }

    impl Image for bool {
        fn write(&self, out: &mut Vec<u8>) {
            u8::from(*self).write(out);
        }

        fn read(from: &mut &[u8]) -> Option<Self> {
            match u8::read(from)? {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            }
        }
    }

    impl<T: Image, const N: usize> Image for [T; N] {
        fn write(&self, out: &mut Vec<u8>) {
            for one in self {
                one.write(out);
            }
        }

        fn read(from: &mut &[u8]) -> Option<Self> {
            let all: Option<Vec<T>> = (0..N).map(|_| T::read(from)).collect();
            all?.try_into().ok()
        }
    }

    impl<T: Image> Image for Option<T> {
        fn write(&self, out: &mut Vec<u8>) {
            self.is_some().write(out);
            if let Some(one) = self {
                one.write(out);
            }
        }

        fn read(from: &mut &[u8]) -> Option<Self> {
            Some(if bool::read(from)? { Some(T::read(from)?) } else { None })
        }
    }

    impl<T: Image> Image for Box<T> {
        fn write(&self, out: &mut Vec<u8>) {
            (**self).write(out);
        }

        fn read(from: &mut &[u8]) -> Option<Self> {
            T::read(from).map(Self::new)
        }
    }

    impl<T: Image> Image for Vec<T> {
        fn write(&self, out: &mut Vec<u8>) {
            (self.len() as u32).write(out);
            for one in self {
                one.write(out);
            }
        }

        fn read(from: &mut &[u8]) -> Option<Self> {
            // It grows as its elements are read: a length that is none takes no memory.
            (0..u32::read(from)?).map(|_| T::read(from)).collect()
        }
    }
}
