//! `UserService`.

use tonic::{Request, Response, Status, Streaming};

use crate::{
    domain::{
        account::{Account, Role},
        error::{AuthError, FieldViolation},
        id::UserId,
        identifier::Identifier,
        password::Password,
    },
    grpc::{
        convert::{texts, timestamp},
        pb::admin::{self as pb, user_service_server::UserService},
    },
    service::{
        profile::ProfileRequest,
        update_user::UpdateUserRequest,
        users::{CreateUserRequest, UserQuery},
    },
};

use super::{
    AdminEdge,
    filter::{self, Operator, Restriction, invalid},
    import::{self, Results},
    names,
    page::Page,
};

/// The most users on a page.
const PAGE_MAX: u32 = 1_000;

#[tonic::async_trait]
impl UserService for AdminEdge {
    async fn create_user(
        &self,
        request: Request<pb::CreateUserRequest>,
    ) -> Result<Response<pb::CreateUserResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::CreateUserRequest { user, password } = request.into_inner();
        let password = Some(password).filter(|password| !password.is_empty());
        let request = CreateUserRequest {
            profile: new_profile(user)?,
            password: password.map(Password::parse),
        };
        let id = self.auth.create_user(request, &admin).await?;
        let user = Some(self.user(id).await?);
        Ok(Response::new(pb::CreateUserResponse { user }))
    }

    async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::GetUserResponse>, Status> {
        self.administrator(&request).await?;
        let name = request.get_ref().name.strip_prefix("users/");
        let rule = "must be users/ and an id, username, email or phone";
        let name = name.ok_or_else(|| AuthError::invalid("name", rule))?;
        let user = Some(self.auth.find_user(name).await?.into());
        Ok(Response::new(pb::GetUserResponse { user }))
    }

    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        self.administrator(&request).await?;
        let pb::ListUsersRequest { page_size, page_token, filter } = request.into_inner();
        let page = Page::parse(page_size, PAGE_MAX, &page_token, &filter)?;
        let filter = UserFilter::parse(&filter)?;
        let mut users = self.find(&filter, &page).await?;
        let next_page_token = page.cut(&mut users, |user| user.id);
        let users = users.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListUsersResponse { users, next_page_token }))
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::UpdateUserResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::UpdateUserRequest { user, update_mask } = request.into_inner();
        let user = user.ok_or_else(|| AuthError::invalid("user", "must be given"))?;
        let id = names::parse_user("user.name", &user.name)?;
        let revision = match user.etag.as_str() {
            "" => None,
            etag => Some(etag.parse().map_err(|_| AuthError::Conflict("user"))?),
        };
        let fields = update_mask.unwrap_or_default().paths;
        let request = UpdateUserRequest { id, fields, profile: profile(user), revision };
        let (account, seq) = self.auth.update_user(request, &admin).await?;
        let (user, revocation_seq) = (Some(account.into()), seq.unwrap_or_default());
        Ok(Response::new(pb::UpdateUserResponse { user, revocation_seq }))
    }

    async fn disable_user(
        &self,
        request: Request<pb::DisableUserRequest>,
    ) -> Result<Response<pb::DisableUserResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let id = names::parse_user("name", &request.get_ref().name)?;
        let revocation_seq = self.auth.disable_user(id, &admin).await?;
        Ok(Response::new(pb::DisableUserResponse { revocation_seq }))
    }

    async fn enable_user(
        &self,
        request: Request<pb::EnableUserRequest>,
    ) -> Result<Response<pb::EnableUserResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let id = names::parse_user("name", &request.get_ref().name)?;
        self.auth.enable_user(id, &admin).await?;
        Ok(Response::new(pb::EnableUserResponse {}))
    }

    async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> Result<Response<pb::DeleteUserResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let id = names::parse_user("name", &request.get_ref().name)?;
        let revocation_seq = self.auth.delete_user(id, &admin).await?;
        Ok(Response::new(pb::DeleteUserResponse { revocation_seq }))
    }

    async fn set_password(
        &self,
        request: Request<pb::SetPasswordRequest>,
    ) -> Result<Response<pb::SetPasswordResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::SetPasswordRequest { name, password } = request.into_inner();
        let id = names::parse_user("name", &name)?;
        let account = self.auth.find_user(&id.to_string()).await?;
        let password = Password::parse(password);
        let revocation_seq = self.auth.set_password(&account, password, &admin).await?;
        Ok(Response::new(pb::SetPasswordResponse { revocation_seq }))
    }

    type ImportUsersStream = Results;

    async fn import_users(
        &self,
        request: Request<Streaming<pb::ImportUsersRequest>>,
    ) -> Result<Response<Results>, Status> {
        let admin = self.administrator(&request).await?;
        Ok(Response::new(import::start(self.clone(), request, admin)))
    }
}

impl AdminEdge {
    async fn user(&self, id: UserId) -> Result<pb::User, AuthError> {
        Ok(self.auth.find_user(&id.to_string()).await?.into())
    }

    /// Up to one user more than the page has. An identifier has one user at
    /// most, who must then fit the rest.
    async fn find(&self, filter: &UserFilter, page: &Page) -> Result<Vec<Account>, AuthError> {
        let after = match page.after.as_str() {
            "" => None,
            id => Some(UserId::parse(id).map_err(|_| Page::foreign())?),
        };
        let Some(identifier) = filter.identifiers.first() else {
            let (role, disabled) = (filter.role.clone(), filter.disabled);
            let query = UserQuery { after, role, disabled, limit: page.limit() };
            return self.auth.users(query).await;
        };
        match self.auth.find_user(identifier.as_str()).await {
            Ok(user) => Ok(Some(user).filter(|user| filter.fits(user)).into_iter().collect()),
            Err(AuthError::NotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// Which users are wanted.
#[derive(Debug, Default)]
struct UserFilter {
    identifiers: Vec<Identifier>,
    role: Option<Role>,
    disabled: Option<bool>,
}

impl UserFilter {
    fn parse(text: &str) -> Result<Self, AuthError> {
        let mut filter = Self::default();
        for restriction in filter::parse(text)? {
            filter.add(&restriction)?;
        }
        Ok(filter)
    }

    fn add(&mut self, restriction: &Restriction) -> Result<(), AuthError> {
        let Restriction { field, operator, value } = restriction;
        let parse = match (field.as_str(), operator) {
            ("roles", Operator::Has) if self.role.is_none() => {
                let role = Role::parse(value).map_err(|error| invalid(format!("roles {error}")))?;
                self.role = Some(role);
                return Ok(());
            }
            ("disabled", Operator::Equal) if self.disabled.is_none() => {
                let rule = "disabled must be true or false";
                self.disabled = Some(value.parse().map_err(|_| invalid(rule))?);
                return Ok(());
            }
            ("username", Operator::Equal) => Identifier::username,
            ("email", Operator::Equal) => Identifier::email,
            ("phone", Operator::Equal) => Identifier::phone,
            _ => {
                let rule = "must restrict username, email, phone and disabled with =, and roles with :, \
                            the last two once";
                return Err(invalid(rule));
            }
        };
        let parsed = parse(value).map_err(|error| invalid(format!("{field} {error}")))?;
        self.identifiers.push(parsed);
        Ok(())
    }

    fn fits(&self, user: &Account) -> bool {
        let has = |wanted: &Identifier| user.identifiers().any(|own| own == wanted.as_str());
        self.identifiers.iter().all(has)
            && self.role.as_ref().is_none_or(|role| user.roles.contains(role))
            && self.disabled.is_none_or(|disabled| disabled == user.disabled_at.is_some())
    }
}

/// What a new user is to be. What only the server says must not be there:
/// whoever sends it expects something that will not happen.
pub(super) fn new_profile(user: Option<pb::User>) -> Result<ProfileRequest, AuthError> {
    let user = user.ok_or_else(|| AuthError::invalid("user", "must be given"))?;
    let given = [
        ("user.name", !user.name.is_empty()),
        ("user.user_id", !user.user_id.is_empty()),
        ("user.disabled", user.disabled),
        ("user.create_time", user.create_time.is_some()),
        ("user.disable_time", user.disable_time.is_some()),
        ("user.last_login_time", user.last_login_time.is_some()),
        ("user.etag", !user.etag.is_empty()),
        ("user.email_verify_time", user.email_verify_time.is_some()),
        ("user.phone_verify_time", user.phone_verify_time.is_some()),
    ];
    let violation = |field| FieldViolation::new(field, "must be empty: it is output only");
    let violations: Vec<_> =
        given.into_iter().filter(|(_, given)| *given).map(|(field, _)| violation(field)).collect();
    if violations.is_empty() {
        Ok(profile(user))
    } else {
        Err(AuthError::InvalidArgument(violations))
    }
}

fn profile(user: pb::User) -> ProfileRequest {
    let pb::User { username, email, phone, display_name, roles, .. } = user;
    ProfileRequest { username, email, phone, display_name, roles }
}

impl From<Account> for pb::User {
    fn from(user: Account) -> Self {
        Self {
            name: names::user(user.id),
            user_id: user.id.to_string(),
            username: user.username.unwrap_or_default(),
            email: user.email.unwrap_or_default(),
            phone: user.phone.unwrap_or_default(),
            display_name: user.display_name.unwrap_or_default(),
            roles: texts(&user.roles, Role::as_str),
            disabled: user.disabled_at.is_some(),
            create_time: Some(timestamp(user.created_at)),
            disable_time: user.disabled_at.map(timestamp),
            last_login_time: user.last_login_at.map(timestamp),
            etag: user.revision.to_string(),
            email_verify_time: user.email_verified_at.map(timestamp),
            phone_verify_time: user.phone_verified_at.map(timestamp),
        }
    }
}
